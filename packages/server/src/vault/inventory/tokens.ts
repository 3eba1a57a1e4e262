import { setImmediate as nextRound } from 'node:timers/promises';
import type { Journal, Turn } from '#journal';
import { dataPath } from '../environments/may-know.ts';
import { mountsOf } from '../mounts/table.ts';
import { jsonCodec } from '../records.ts';
import { callerOf } from '../request/caller.ts';
import { entryDirectory, entryPath, type TokenEntry, tokenSpace } from '../tokens/entry.ts';
import type { Finding } from './findings.ts';
import { livesLong, type TokenFacts, tokenFinding } from './token-findings.ts';

const portion = 64;
/** A secret that nobody has: whoever may read it may read whatever there is. */
const anySecret = 'sallyport-any/secret-of/this-mount';

// Tokens in use are decoded and kept anyway; the others must not be for having been looked at.
const codec = jsonCodec<TokenEntry>(false);

/** Tokens that live long and open much, in portions. */
export async function* tokenFindings(
  journal: Pick<Journal, 'peek'>,
): AsyncGenerator<readonly Finding[], void> {
  const accessors = journal.peek((turn) => tokenSpace(turn).list(entryDirectory));
  for (let at = 0; at < accessors.length; at += portion) {
    const found = journal.peek((turn) =>
      accessors.slice(at, at + portion).flatMap((accessor) => {
        const entry = tokenSpace(turn).read(entryPath(accessor), codec);
        const finding = entry === undefined ? undefined : findingOf(turn, entry);
        return finding === undefined ? [] : [finding];
      }),
    );
    if (found.length > 0) yield found;
    await nextRound();
  }
}

function findingOf(turn: Turn, entry: TokenEntry): Finding | undefined {
  const { accessor, displayName, createdAt, expiresAt, period, wraps } = entry;
  if (wraps !== undefined || (expiresAt !== 0 && expiresAt <= turn.now)) return undefined;
  const isRoot = entry.policies.includes('root');
  const facts = { accessor, displayName, createdAt, expiresAt, period, isRoot };
  // Before its rules are compiled: most tokens are short.
  return livesLong(facts) ? tokenFinding({ ...facts, wholeMounts: wholeMountsOf(turn, entry) }) : undefined;
}

function wholeMountsOf(turn: Turn, entry: TokenEntry): TokenFacts['wholeMounts'] {
  const { acl } = callerOf(turn, entry);
  return mountsOf(turn).mounts.filter(
    (mount) =>
      mount.type === 'kv' &&
      (entry.environments.includes('*') || entry.environments.includes(mount.environment)) &&
      acl.check({ operation: 'read', path: dataPath(mount, anySecret), environment: mount.environment })
        .allowed,
  );
}
