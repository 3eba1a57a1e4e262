export const findingKinds = [
  'mismatch',
  'not-in-lock',
  'not-fetched',
  'unpinned',
  'without-integrity',
  'too-young',
  'install-script',
  'denied',
  'opaque-egress',
  'unknown-in-artifact',
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** Something about the dependencies that a person or a gate should know. */
export interface Finding {
  readonly kind: FindingKind;
  readonly severity: 'high' | 'medium' | 'low';
  /** A purl, a host and port, or a path in the artifact. */
  readonly subject: string;
  readonly message: string;
}
