/** What a certificate says about whoever holds its key, taken from a token that was verified and that a rule allows. */
export interface Principal {
  /** `iss` of the token, to the letter. */
  readonly issuer: string;
  /** What a proof of possession signs: `sub`, or the address of a person. */
  readonly challenge: string;
  /** The one subject alternative name. */
  readonly name: { readonly kind: 'email' | 'uri'; readonly value: string };
  /** By the last arc under 1.3.6.1.4.1.57264.1; without 1 and 8, which are the issuer for everybody. */
  readonly extensions: ReadonlyMap<number, string>;
  /** The rule that let them in. */
  readonly rule: string;
}
