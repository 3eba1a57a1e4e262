import { systemMaxTtlSeconds } from '../mounts/mount.ts';
import type { Finding } from './findings.ts';

/** What a token may reach and for how long. Times in milliseconds since the epoch. */
export interface TokenFacts {
  readonly accessor: string;
  readonly displayName: string;
  readonly createdAt: number;
  /** 0: never. */
  readonly expiresAt: number;
  /** Seconds; a token with a period is renewed for as long as its holder likes, each time for so long. */
  readonly period: number;
  readonly isRoot: boolean;
  /** Mounts of which it may read every secret, with their environments. */
  readonly wholeMounts: ReadonlyArray<{ readonly path: string; readonly environment: string }>;
}

const day = 24 * 3600_000;
const manyMounts = 2;

export function livesLong({ createdAt, expiresAt, period }: Omit<TokenFacts, 'wholeMounts'>): boolean {
  const most = systemMaxTtlSeconds * 1000;
  return expiresAt === 0 || expiresAt - createdAt > most || period * 1000 > most;
}

/** A token that lives long and opens much: what is stolen once stays stolen. */
export function tokenFinding(token: TokenFacts): Finding | undefined {
  if (!livesLong(token)) return undefined;
  const environments = [...new Set(token.wholeMounts.map(({ environment }) => environment))];
  const broad = token.isRoot || token.wholeMounts.length >= manyMounts;
  if (!broad) return undefined;
  const life =
    token.expiresAt === 0
      ? 'never ends'
      : `lives for ${Math.round((token.expiresAt - token.createdAt) / day)} days`;
  const reach = token.isRoot
    ? 'may do everything'
    : `may read every secret of ${token.wholeMounts.length} mounts in ${environments.length === 1 ? 'one environment' : `${environments.length} environments`}`;
  return {
    kind: 'broad_token',
    severity: token.isRoot || environments.length > 1 ? 'high' : 'medium',
    subject: token.accessor,
    explanation: `the token "${token.displayName}" ${life} and ${reach}`,
    todo: token.isRoot
      ? 'revoke it by its accessor; generate-root makes another when one is needed'
      : 'let the program log in for short tokens with a policy of its own, then revoke this one by its accessor',
  };
}
