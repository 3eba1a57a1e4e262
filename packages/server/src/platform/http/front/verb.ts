/** Verbs that Vault's clients send and Node's parser refuses: its table of methods is fixed. */
export type ListVerb = 'LIST' | 'SCAN';

const verbs = ['LIST', 'SCAN'] as const;

export function isListVerb(method: string | undefined): boolean {
  return verbs.some((verb) => verb === method);
}

/** Bytes of a verb with the space behind it: fewer may still become one. */
export const verbSizeBytes = 5;

/**
 * The verb that a message begins with, `unfinished` while too little came to tell, undefined for everything else.
 * Methods are case-sensitive (RFC 9110 section 9.1), and blank lines before a request are not skipped here: Node
 * refuses what this does not know.
 */
export function leadingVerb(bytes: Buffer): ListVerb | 'unfinished' | undefined {
  const first = bytes[0];
  // Nearly every request ends here: L of LIST, S of SCAN.
  if (first !== 0x4c && first !== 0x53) return undefined;
  const text = bytes.toString('latin1', 0, verbSizeBytes);
  for (const verb of verbs) {
    if (text === `${verb} `) return verb;
    if (text.length < verbSizeBytes && `${verb} `.startsWith(text)) return 'unfinished';
  }
  return undefined;
}
