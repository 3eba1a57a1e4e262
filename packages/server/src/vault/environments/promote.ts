import type { KeyObject } from 'node:crypto';
import type { Journal, Turn } from '#journal';
import type { Audited } from '../audit/audited.ts';
import type { Records } from '../backend.ts';
import { declaredNames } from '../inventory/declared.ts';
import { walkSecrets } from '../inventory/walk-secrets.ts';
import { lookAtMetadata, newMetadata, putMetadata, type SecretMetadata } from '../kv/metadata.ts';
import { type Mount, scopeOfEnvironment } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import type { NativeActor } from '../native/caller.ts';
import { nativeDoing } from '../native/doing.ts';
import { below } from '../records.ts';
import { type MountPair, pairMounts } from './mount-pairs.ts';
import { keysOf, valuesOf } from './secret-shape.ts';
import { createValueGuard } from './value-guard.ts';

export interface Promotion {
  readonly project: string;
  readonly from: string;
  readonly to: string;
}

export interface PromotionReport {
  /** Secrets that must exist in the second environment from now on, and were new to it. */
  readonly created: number;
  /** That were there, and whose expected names or owner and the like were filled in. */
  readonly completed: number;
  readonly unchanged: number;
  /** Whatever looked like a value and was therefore not copied, by secret: names of what was left out, never the text. */
  readonly leftOut: readonly LeftOut[];
  /** Of `leftOut`, those that did not fit. */
  readonly moreLeftOut: number;
  /** Mounts of the first environment without a counterpart. */
  readonly unpaired: readonly string[];
}

export interface LeftOut {
  readonly mount: string;
  /** Absent when the path itself was left out. */
  readonly path?: string;
  readonly what: readonly string[];
}

export interface PromoteDeps {
  readonly journal: Pick<Journal, 'peek' | 'openScope'>;
  readonly audited: Audited;
  readonly fingerprintKey: KeyObject;
}

/** Secrets decided in one turn: each decrypts all its versions, to compare what is copied with them. */
const portion = 20;
const maxKeys = 256;
const maxLeftOut = 200;

type Outcome = 'created' | 'completed' | 'unchanged' | 'path';

interface Done {
  readonly outcome: Outcome;
  readonly path: string;
  readonly leftOut: readonly string[];
}

/**
 * Copies the shape of an environment: which secrets must exist, with which names in them, and what is said about them
 * (owner, purpose, rotation, expiry, consumers). Never a value: whatever is copied is compared with the values first. What
 * the second environment says already, it keeps. In portions, each audited; repeating it does no harm.
 */
export async function promoteShape(
  deps: PromoteDeps,
  by: NativeActor,
  promotion: Promotion,
): Promise<PromotionReport> {
  const { journal } = deps;
  const { pairs, unpaired } = pairMounts(
    journal.peek((turn) => mountsOf(turn).mounts),
    promotion.project,
    promotion,
  );
  const counts: Record<Outcome, number> = { created: 0, completed: 0, unchanged: 0, path: 0 };
  const leftOut: LeftOut[] = [];
  let moreLeftOut = 0;
  for (const pair of pairs) {
    await journal.openScope(scopeOfEnvironment(pair.to.environment));
    for await (const paths of walkSecrets(journal, pair.from, undefined, (_turn, _store, path) => path)) {
      for (let at = 0; at < paths.length; at += portion) {
        for (const { outcome, path, leftOut: what } of await copy(
          deps,
          by,
          pair,
          paths.slice(at, at + portion),
        )) {
          counts[outcome] += 1;
          if (what.length === 0) continue;
          const { path: mount } = pair.from;
          if (leftOut.length >= maxLeftOut) moreLeftOut += 1;
          else leftOut.push(outcome === 'path' ? { mount, what } : { mount, path, what });
        }
      }
    }
  }
  const { created, completed, unchanged } = counts;
  return { created, completed, unchanged, leftOut, moreLeftOut, unpaired };
}

async function copy(
  { audited, fingerprintKey }: PromoteDeps,
  by: NativeActor,
  { from, to }: MountPair,
  paths: readonly string[],
): Promise<readonly Done[]> {
  return await audited((turn) => {
    const stores = { from: storeOf(turn, from), to: storeOf(turn, to) };
    const done = paths.map((path) => copyOne(turn, fingerprintKey, stores, path));
    const count = (wanted: Outcome): number => done.filter(({ outcome }) => outcome === wanted).length;
    const data = {
      from: from.path,
      to: to.path,
      created: count('created'),
      completed: count('completed'),
    };
    return {
      answer: done,
      exchange: nativeDoing(turn, by, { operation: 'update', path: 'environments/promote-config', data }),
    };
  });
}

function storeOf(turn: Turn, mount: Mount): Records {
  return below(turn.space(scopeOfEnvironment(mount.environment)), `mount/${mount.id}/`);
}

function copyOne(
  turn: Turn,
  key: KeyObject,
  { from, to }: { readonly from: Records; readonly to: Records },
  path: string,
): Done {
  const source = lookAtMetadata(from, path);
  // Gone since it was listed.
  if (source === undefined) return { outcome: 'unchanged', path, leftOut: [] };
  const values = valuesOf(from, path, source);
  const guard = createValueGuard(turn, key, values);
  for (const value of values) value.fill(0);
  try {
    if (path.split('/').some((part) => guard.nameCarries(part)))
      return { outcome: 'path', path, leftOut: ['a secret whose path holds a value'] };
    const names = (keysOf(from, path, source, turn.now) ?? source.expected ?? []).slice(0, maxKeys);
    const expected = names.filter((name) => !guard.nameCarries(name));
    const said = declaredNames.flatMap((name) => {
      const text =
        source.custom !== null && Object.hasOwn(source.custom, name) ? source.custom[name] : undefined;
      return text === undefined ? [] : [[name, text] as const];
    });
    const custom = said.filter(([, text]) => !guard.carries(text));
    const leftOut = [
      ...(expected.length < names.length ? [`${names.length - expected.length} names of keys`] : []),
      ...said.filter((each) => !custom.includes(each)).map(([name]) => name),
    ];
    const before = lookAtMetadata(to, path);
    return { outcome: put(turn, to, path, before, { expected, custom }), path, leftOut };
  } finally {
    guard.wipe();
  }
}

function put(
  turn: Turn,
  store: Records,
  path: string,
  before: SecretMetadata | undefined,
  {
    expected,
    custom,
  }: { readonly expected: readonly string[]; readonly custom: readonly (readonly [string, string])[] },
): Outcome {
  const base = before ?? newMetadata(turn.now);
  const missing = custom.filter(([name]) => base.custom === null || !Object.hasOwn(base.custom, name));
  const same = JSON.stringify(base.expected ?? []) === JSON.stringify(expected);
  if (before !== undefined && same && missing.length === 0) return 'unchanged';
  putMetadata(store, path, {
    ...base,
    updatedAt: turn.now,
    expected,
    custom: missing.length === 0 ? base.custom : { ...base.custom, ...Object.fromEntries(missing) },
  });
  return before === undefined ? 'created' : 'completed';
}
