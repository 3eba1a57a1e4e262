/** Answers about who gets certificates, as the native API gives them: /api/federation and /api/authority. */

/** Issuers whose claims are known. `email` and `uri` are any OpenID provider, of people and of workloads. */
export const issuerKinds = [
  'github',
  'gitlab',
  'buildkite',
  'circleci',
  'kubernetes',
  'sallyport',
  'email',
  'uri',
] as const;

export interface FederationRuleView {
  readonly name: string;
  /** One of `issuerKinds`. */
  readonly kind: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  /** Where the issuer's keys are, when its discovery document does not say it. */
  readonly jwksUrl?: string;
  readonly caPem?: string;
  readonly webUrl?: string;
}

export interface FederationFindingView {
  readonly code: string;
  /** refused or warning */
  readonly severity: string;
  readonly claim?: string;
  readonly why: string;
  readonly fix: string;
}

export interface AuthorityChainView {
  readonly number: number;
  readonly validFrom: string;
  readonly validUntil: string;
  /** PEM, the intermediate first. */
  readonly certificates: readonly string[];
}
