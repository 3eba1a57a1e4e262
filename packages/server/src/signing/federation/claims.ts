import { Fault } from '@sallyport/formats';

/** The verified payload of a token. */
export type Claims = Readonly<Record<string, unknown>>;

export const maxClaimLength = 1024;

/**
 * A claim as text. `kubernetes.io/serviceaccount/name` also reads a nested object, of which Kubernetes makes its
 * claims; a member that has the whole text as its name comes first. Objects and lists are no text: undefined.
 */
export function findClaim(claims: Claims, name: string): string | undefined {
  if (Object.hasOwn(claims, name)) return textOf(claims[name]);
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
    const outer = Object.hasOwn(claims, name.slice(0, at)) ? claims[name.slice(0, at)] : undefined;
    if (!isObject(outer)) continue;
    const inner = findClaim(outer, name.slice(at + 1));
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** Throws `signing.claim_missing`: a certificate never says half of what its kind of issuer stands for. */
export function claimOf(claims: Claims, name: string): string {
  const value = findClaim(claims, name);
  if (value !== undefined && value !== '') return value;
  throw new Fault('invalid', 'signing.claim_missing', `expected the claim "${name}" in the token, got none`, {
    hint: 'the kind of the rule says which claims its issuer has to give',
  });
}

/** Numbers as their digits, since issuers write ids either way; what is longer than a certificate should carry is refused. */
function textOf(value: unknown): string | undefined {
  const text =
    typeof value === 'string'
      ? value
      : typeof value === 'boolean' || Number.isSafeInteger(value)
        ? String(value)
        : undefined;
  if (text === undefined) return undefined;
  // A line break in a certificate's text is a second line in somebody's log.
  if (text.length > maxClaimLength || /\p{Cc}/u.test(text)) {
    throw new Fault(
      'invalid',
      'signing.claim_invalid',
      `expected claims of at most ${maxClaimLength} printable characters`,
    );
  }
  return text;
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
