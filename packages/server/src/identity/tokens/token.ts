import { Fault, type SecretBytes, sha256, utf8 } from '@sallyport/formats';
import type { Json } from '#platform';

/** An opaque token as the database knows it: by the hash of its text. The text itself is shown once and kept nowhere. */
export interface Token {
  /** Names the token where the token itself must not appear: lists, revocation, the ledger. */
  readonly accessor: string;
  readonly hash: Uint8Array;
  readonly principalId: string;
  /** At most these apply, and of these only what the principal still holds at the time of use. */
  readonly policies: readonly string[];
  readonly description: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
  readonly lastUsedAt: Date | undefined;
}

export const tokenPrefix = 'sp_';
export const tokenBytes = 32;
/** 32 bytes are 43 base64url characters, and the last of them carries four bits: its two low bits are zero. */
const tokenText = /^sp_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

export function formatToken(random: Uint8Array): string {
  return tokenPrefix + Buffer.from(random).toString('base64url');
}

/**
 * What is stored and looked up. SHA-256 without salt or stretching is enough, because the token is 256 random bits
 * (NIST SP 800-63B-4 section 3.1.2 look-up secrets of at least 112 bits need no stretching). Looking up by hash in an
 * index leaks at most how much of a *hash* matches, which tells nothing about the next character of a token.
 */
export function hashToken(text: string): Uint8Array {
  if (!tokenText.test(text)) throw unauthenticated();
  return sha256(utf8(text));
}

/** One message for every way in which a credential is wrong: unknown, malformed, expired, revoked, disabled. */
export function unauthenticated(cause?: unknown): Fault {
  return new Fault('unauthenticated', 'identity.token_refused', 'expected a valid token', {
    hint: 'log in again, or ask for a new token',
    ...(cause === undefined ? {} : { cause }),
  });
}

export interface IssuedToken {
  readonly accessor: string;
  readonly token: SecretBytes;
  readonly expiresAt: Date;
}

/** The hash is part of the audited state: a row edited so that another token opens it differs from the ledger. */
export function tokenState(token: Token): Json {
  return {
    accessor: token.accessor,
    hash: Buffer.from(token.hash).toString('hex'),
    principal: token.principalId,
    policies: token.policies,
    expiresAt: token.expiresAt.toISOString(),
    revokedAt: token.revokedAt?.toISOString() ?? null,
  };
}

export function tokenResource(token: Pick<Token, 'accessor'>): string {
  return `token/${token.accessor}`;
}
