import type { Journal, Turn } from '#journal';
import type { Audited } from '../audit/audited.ts';
import type { Records } from '../backend.ts';
import { walkSecrets } from '../inventory/walk-secrets.ts';
import { lookAtMetadata } from '../kv/metadata.ts';
import { type Mount, scopeOfEnvironment } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import type { NativeActor } from '../native/caller.ts';
import { nativeDoing } from '../native/doing.ts';
import { below } from '../records.ts';
import { type MountPair, pairMounts } from './mount-pairs.ts';
import { keysOf } from './secret-shape.ts';
import { environmentsOf } from './settings.ts';

/** A secret that the two environments do not have alike. */
export interface Difference {
  /** Where it is missing, or where it is more. */
  readonly mount: string;
  readonly path: string;
  /** `secret`: all of it; `value`: it is known there, and was never written; `keys`: only these. */
  readonly what: 'secret' | 'value' | 'keys';
  readonly keys: readonly string[];
}

/** What an environment has less and more than the one before it. */
export interface Parity {
  readonly environment: string;
  readonly against: string;
  readonly lacks: readonly Difference[];
  readonly more: readonly Difference[];
  /** Of both lists, those that did not fit. */
  readonly left: number;
  /** Mounts of `against` without a counterpart: none of their secrets could be looked for. */
  readonly unpaired: readonly string[];
}

export interface ParityAsked {
  readonly project: string;
  readonly names: readonly string[];
  readonly against?: string;
}

export interface ParityDeps {
  readonly journal: Pick<Journal, 'peek' | 'openScope'>;
  readonly audited: Audited;
}

const maxDifferences = 1000;

/**
 * Each environment against the one before it, or all others against `against`; only those of `names`, which the caller
 * may see. No value is told.
 */
export async function parityOf(
  { journal, audited }: ParityDeps,
  by: NativeActor,
  { project, names, against }: ParityAsked,
): Promise<readonly Parity[]> {
  await audited((turn) => ({
    answer: undefined,
    exchange: nativeDoing(turn, by, {
      operation: 'read',
      path: 'environments/parity',
      data: { project, ...(against === undefined ? {} : { against }) },
    }),
  }));
  const all = journal.peek((turn) => environmentsOf(turn, project).map(({ name }) => name));
  const pairs = all.flatMap((name, index) => {
    const other = against ?? all[index - 1];
    if (other === undefined || other === name || !names.includes(other) || !names.includes(name)) return [];
    return [{ from: other, to: name }];
  });
  const compared: Parity[] = [];
  for (const pair of pairs) compared.push(await compare(journal, project, pair));
  return compared;
}

async function compare(
  journal: ParityDeps['journal'],
  project: string,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<Parity> {
  const mounts = journal.peek((turn) => mountsOf(turn).mounts);
  const { pairs, unpaired } = pairMounts(mounts, project, { from, to });
  const lacks: Difference[] = [];
  const more: Difference[] = [];
  let left = 0;
  const add = (list: Difference[], differences: readonly Difference[]): void => {
    const room = Math.max(0, maxDifferences - list.length);
    list.push(...differences.slice(0, room));
    left += Math.max(0, differences.length - room);
  };
  for (const pair of pairs) {
    for await (const found of differences(journal, pair, pair.to)) add(lacks, found);
    for await (const found of differences(journal, { from: pair.to, to: pair.from }, pair.to))
      add(more, found);
  }
  return { environment: to, against: from, lacks, more, left, unpaired };
}

/** What `from` has and `to` has not, told with the path of the mount `where`. */
async function* differences(
  journal: ParityDeps['journal'],
  { from, to }: MountPair,
  where: Mount,
): AsyncGenerator<readonly Difference[], void> {
  await journal.openScope(scopeOfEnvironment(to.environment));
  yield* walkSecrets(journal, from, undefined, (turn, store, path) => {
    const has = namesIn(turn, store, path);
    // It is expected there as well, and has no value: nothing is more than nothing.
    if (has === undefined || (!has.written && from === where)) return undefined;
    const other = below(turn.space(scopeOfEnvironment(to.environment)), `mount/${to.id}/`);
    const against = namesIn(turn, other, path);
    const at = { mount: where.path, path };
    if (against === undefined) return { ...at, what: 'secret' as const, keys: has.names };
    if (!against.written) return has.written ? { ...at, what: 'value' as const, keys: has.names } : undefined;
    const keys = has.names.filter((name) => !against.names.includes(name));
    return keys.length === 0 ? undefined : { ...at, what: 'keys' as const, keys };
  });
}

/** The names a secret has, or while it has no value those that are expected; `undefined` where there is no secret. */
function namesIn(
  turn: Turn,
  store: Records,
  path: string,
): { readonly written: boolean; readonly names: readonly string[] } | undefined {
  const metadata = lookAtMetadata(store, path);
  if (metadata === undefined) return undefined;
  const keys = keysOf(store, path, metadata, turn.now);
  return { written: keys !== undefined, names: keys ?? metadata.expected ?? [] };
}
