import { recordAt, type Turn } from '#journal';
import { rootPolicyName } from '../policies/store.ts';
import { jsonCodec } from '../records.ts';
import type { Caller } from '../request/caller.ts';
import type { TokenEntry } from '../tokens/entry.ts';
import { findToken } from '../tokens/tokens.ts';

/**
 * Writing a guess tells whether another environment has it. So each time that somebody who may not read the other place
 * meets a value of it is counted, and after some in an hour nothing new is taken from them until the hour is over: not only
 * what would meet one, since the difference would go on telling.
 */
export const hitsPerHour = 10;

const hour = 3600_000;
const record = recordAt('core/fingerprint-hits');
/** Of callers at a time; the one with the oldest hit makes room. */
const maxCallers = 1000;
const maxParents = 64;

interface Hits {
  readonly since: number;
  readonly count: number;
}

const codec = jsonCodec<Readonly<Record<string, Hits>>>(true);

export function isExhausted(turn: Turn, caller: Caller | undefined): boolean {
  const hits = turn.space('system').read(record, codec)?.[nameOf(turn, caller)];
  return hits !== undefined && turn.now - hits.since < hour && hits.count >= hitsPerHour;
}

export function countHit(turn: Turn, caller: Caller | undefined): void {
  const space = turn.space('system');
  const name = nameOf(turn, caller);
  const live = Object.entries(space.read(record, codec) ?? {}).filter(
    ([, { since }]) => turn.now - since < hour,
  );
  const mine = live.find(([each]) => each === name)?.[1] ?? { since: turn.now, count: 0 };
  const others = live
    .filter(([each]) => each !== name)
    .sort(([, one], [, other]) => other.since - one.since)
    .slice(0, maxCallers - 1);
  space.write(record, codec, Object.fromEntries([...others, [name, { ...mine, count: mine.count + 1 }]]));
}

/**
 * The entity, or else the first of the tokens of the same environments that were made with each other: a child is no new
 * caller. Whoever reaches further than its child knows what the child could find out.
 */
function nameOf(turn: Turn, caller: Caller | undefined): string {
  let token = caller?.token;
  if (token === undefined) return 'nobody';
  if (token.entityId !== '') return `entity:${token.entityId}`;
  for (let step = 0; step < maxParents && token.parent !== undefined; step += 1) {
    const parent = findToken(turn, token.parent);
    if (parent === undefined || reachOf(parent) !== reachOf(token)) break;
    token = parent;
  }
  return `token:${token.accessor}`;
}

function reachOf({ environments, policies }: TokenEntry): string {
  return policies.includes(rootPolicyName) ? '*' : [...environments].sort().join();
}
