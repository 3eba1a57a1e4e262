import type { KeyObject } from 'node:crypto';
import type { Journal } from '#journal';
import type { Clock, Db } from '#platform';
import type { Audited } from '../audit/audited.ts';
import { refusedWrites } from '../environments/refused.ts';
import type { Mount } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import type { NativeActor } from '../native/caller.ts';
import { nativeDoing } from '../native/doing.ts';
import { type Finding, type FindingKind, findingKinds, findingsOf, inOrder } from './findings.ts';
import { matches, type RowFilter, type SecretRow } from './row.ts';
import { type RowsDeps, rowsOf } from './rows.ts';
import { type ServiceUses, servicesOf } from './services.ts';
import { tokenFindings } from './tokens.ts';
import { compareBytes } from './walk-secrets.ts';

/** Where a list goes on: after this secret. */
export interface RowPlace {
  readonly mount: string;
  readonly path: string;
}

export interface FindingsReport {
  /** The gravest first. */
  readonly findings: readonly Finding[];
  /** Of all there are, also those that did not fit. */
  readonly counts: Readonly<Partial<Record<FindingKind, number>>>;
}

/** What is known about secrets beside their values. Whoever calls has authorised the actor for the environments. */
export interface Inventory {
  /** Who knows what definitions of repositories say; before the first call. Without it nobody does. */
  learnServices(from: ServiceUses): void;
  /** In the order of mounts and paths; `next` when there may be more than `limit`. */
  list(
    by: NativeActor,
    asked: {
      readonly environments: readonly string[];
      readonly filter: RowFilter;
      readonly limit: number;
      readonly after?: RowPlace;
    },
  ): Promise<{ readonly rows: readonly SecretRow[]; readonly now: number; readonly next?: RowPlace }>;
  findings(
    by: NativeActor,
    asked: { readonly environments: readonly string[]; readonly tokens: boolean; readonly limit: number },
  ): Promise<FindingsReport>;
}

export interface InventoryDeps {
  readonly journal: Pick<Journal, 'peek' | 'openScope'>;
  readonly audited: Audited;
  readonly db: Db;
  readonly clock: Clock;
  readonly fingerprintKey: KeyObject;
}

export function createInventory(deps: InventoryDeps): Inventory {
  const { journal, audited } = deps;
  let uses: ServiceUses = async () => [];

  const walking = async (environments: readonly string[]): Promise<RowsDeps> => ({
    ...deps,
    services: await servicesOf(uses, environments),
  });

  const mountsIn = (environments: readonly string[]): readonly Mount[] =>
    journal
      .peek((turn) => mountsOf(turn).mounts)
      .filter(({ type, environment }) => type === 'kv' && environments.includes(environment))
      .sort((one, other) => compareBytes(one.path, other.path));

  /** Before the answer: that somebody looked is recorded like a read. */
  async function tell(by: NativeActor, path: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    await audited((turn) => ({
      answer: undefined,
      exchange: nativeDoing(turn, by, { operation: 'read', path, data }),
    }));
  }

  return {
    learnServices(from) {
      uses = from;
    },

    async list(by, { environments, filter, limit, after }) {
      await tell(by, 'inventory/secrets', { environments, filter });
      const now = deps.clock.now().getTime();
      const walk = await walking(environments);
      const rows: SecretRow[] = [];
      for (const mount of mountsIn(environments)) {
        const order = after === undefined ? 1 : compareBytes(mount.path, after.mount);
        if (order < 0) continue;
        for await (const found of rowsOf(walk, mount, order === 0 ? after?.path : undefined)) {
          rows.push(
            ...found.filter((row) => matches(row, filter, now)).map((row) => onlyKnown(row, environments)),
          );
          const last = rows[limit - 1];
          if (last !== undefined && rows.length > limit)
            return { rows: rows.slice(0, limit), now, next: { mount: last.mount, path: last.path } };
        }
      }
      return { rows, now };
    },

    async findings(by, { environments, tokens, limit }) {
      await tell(by, 'inventory/findings', { environments, tokens });
      const now = deps.clock.now().getTime();
      const walk = await walking(environments);
      const counts: Partial<Record<FindingKind, number>> = {};
      let kept: readonly Finding[] = [];
      const take = (found: readonly Finding[]): void => {
        for (const { kind } of found) counts[kind] = (counts[kind] ?? 0) + 1;
        kept = [...kept, ...found];
        // Now and then, so that a hundred thousand of them are never held.
        if (kept.length > 2 * limit) kept = inOrder(kept).slice(0, limit);
      };
      take(refusedFindings(deps, environments));
      if (tokens) for await (const found of tokenFindings(journal)) take(found);
      for (const mount of mountsIn(environments))
        for await (const rows of rowsOf(walk, mount))
          take(rows.flatMap((row) => findingsOf(onlyKnown(row, environments), now)));
      return { findings: inOrder(kept).slice(0, limit), counts: inKindOrder(counts) };
    },
  };
}

/** Who may see some environments is not told the names of others. */
function onlyKnown(row: SecretRow, environments: readonly string[]): SecretRow {
  if (row.elsewhere.length === 0 && row.accountElsewhere.length === 0) return row;
  const known = (all: SecretRow['elsewhere']): SecretRow['elsewhere'] => {
    const told = all.filter(({ environment = '' }) => environments.includes(environment));
    return told.length === all.length ? told : [...told, {}];
  };
  return { ...row, elsewhere: known(row.elsewhere), accountElsewhere: known(row.accountElsewhere) };
}

function inKindOrder(counts: FindingsReport['counts']): FindingsReport['counts'] {
  return Object.fromEntries(
    findingKinds.flatMap((kind) => (counts[kind] === undefined ? [] : [[kind, counts[kind]]])),
  );
}

/** One for each place that somebody was kept from writing to, by how often. */
function refusedFindings({ journal }: InventoryDeps, environments: readonly string[]): readonly Finding[] {
  const [writes, mounts] = journal.peek((turn) => [refusedWrites(turn), mountsOf(turn).mounts] as const);
  const groups = Map.groupBy(
    writes.filter(({ environment }) => environments.includes(environment)),
    ({ mountId, path, key }) => JSON.stringify([mountId, path, key]),
  );
  return [...groups.values()].flatMap((group): readonly Finding[] => {
    const last = group.at(-1);
    const mount = mounts.find(({ id }) => id === last?.mountId);
    if (last === undefined || mount === undefined) return [];
    const known = last.others.filter((each) => environments.includes(each));
    const others = known.length === 0 ? 'another environment' : known.join(', ');
    const people = [...new Set(group.map(({ by }) => by))].join(', ');
    return [
      {
        kind: 'value_refused',
        severity: group.length > 3 ? 'high' : 'medium',
        environment: last.environment,
        subject: mount.path + last.path,
        explanation: `${people} tried ${group.length === 1 ? 'once' : `${group.length} times`} to write a value to "${last.key}" that ${others} has`,
        todo: 'if it was a mistake, make a new credential; if somebody is guessing, look at the audit of that token and revoke it',
      },
    ];
  });
}
