import { recordAt, type Turn } from '#journal';
import { jsonCodec } from '../records.ts';
import type { TokenEntry } from '../tokens/entry.ts';

/** All tokens made below a path until a moment are revoked; some of their records may still be there. */
export interface Revocation {
  /** The beginning of lease ids. */
  readonly prefix: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

const record = recordAt('core/revoking');
const codec = jsonCodec<readonly Revocation[]>(true);
const none: readonly Revocation[] = [];

/** Revocations that are still being carried out; nearly always none. */
export function revocations(turn: Turn): readonly Revocation[] {
  return turn.space('system').read(record, codec) ?? none;
}

export function writeRevocations(turn: Turn, left: readonly Revocation[]): void {
  if (left.length === 0) turn.space('system').delete(record);
  else turn.space('system').write(record, codec, left);
}

/** Whether the token falls under one of them: then it is as good as gone. Asked for every token that is looked up. */
export function isRevoked(turn: Turn, entry: TokenEntry): boolean {
  const all = revocations(turn);
  return all.length > 0 && all.some((each) => covers(each, entry));
}

/** A token without an end has no lease, so no prefix reaches it: the way back in must survive a careless prefix. */
export function covers({ prefix, until }: Revocation, entry: TokenEntry): boolean {
  return entry.expiresAt !== 0 && entry.createdAt <= until && leaseIdOf(entry).startsWith(prefix);
}

/** The lease of a token: where it was made, and its accessor. */
export function leaseIdOf(entry: TokenEntry): string {
  return `${entry.path}/${entry.accessor}`;
}
