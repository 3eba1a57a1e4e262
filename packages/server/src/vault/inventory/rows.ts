import type { KeyObject } from 'node:crypto';
import type { Journal, Turn } from '#journal';
import type { Db } from '#platform';
import type { Records } from '../backend.ts';
import { fingerprintsOf, isAccount, type Print } from '../environments/fingerprints.ts';
import { holdingOf, isShared } from '../environments/places.ts';
import { type EnvironmentSettings, settingsOf } from '../environments/settings.ts';
import { isDeleted, lookAtMetadata } from '../kv/metadata.ts';
import { split } from '../kv/prints.ts';
import { v1Directory } from '../kv/v1.ts';
import { isVersionedKv, type Mount } from '../mounts/mount.ts';
import { declaredOf } from './declared.ts';
import type { Sighting } from './readers.ts';
import type { SecretRow } from './row.ts';
import type { Services } from './services.ts';
import { readerStore } from './store.pg.ts';
import { walkSecrets } from './walk-secrets.ts';

export interface RowsDeps {
  readonly journal: Pick<Journal, 'peek' | 'openScope'>;
  readonly db: Db;
  readonly fingerprintKey: KeyObject;
  readonly services: Services;
}

const nothingDeclared = declaredOf(null);

/** The secrets of a mount in the order of their paths, in portions; `after` as in `walkSecrets`. */
export async function* rowsOf(
  deps: RowsDeps,
  mount: Mount,
  after?: string,
): AsyncGenerator<readonly SecretRow[], void> {
  const look = isVersionedKv(mount) ? versionedRow : plainRow;
  const settings = deps.journal.peek((turn) => settingsOf(turn, mount.environment));
  const walked = walkSecrets(deps.journal, mount, after, (turn, store, path) =>
    look(deps, { turn, store, mount, path, settings }),
  );
  for await (const rows of walked) {
    const readers = await deps.db.read((tx) =>
      readerStore.readersOf(
        tx,
        mount.id,
        rows.map(({ path }) => path),
      ),
    );
    const byPath = Map.groupBy(readers, ({ path }): string => path);
    yield rows.map((row) => ({ ...row, readers: byPath.get(row.path) ?? noReaders }));
  }
}

const noReaders: readonly Sighting[] = [];

interface Looked {
  readonly turn: Turn;
  readonly store: Records;
  readonly mount: Mount;
  readonly path: string;
  readonly settings: EnvironmentSettings;
}

function versionedRow(deps: RowsDeps, looked: Looked): SecretRow | undefined {
  const { turn, store, path, settings } = looked;
  const metadata = lookAtMetadata(store, path);
  if (metadata === undefined) return undefined;
  const current = metadata.versions[metadata.current];
  return {
    ...placeOf(looked, deps),
    declared: declaredOf(metadata.custom),
    version: metadata.current,
    hasValue: current !== undefined && !current.destroyed && !isDeleted(current, turn.now),
    createdAt: metadata.createdAt,
    changedAt: current?.createdAt ?? metadata.createdAt,
    readers: noReaders,
    ...elsewhereOf(
      turn,
      looked.mount.environment,
      Object.values(metadata.versions).flatMap(({ prints }) => split(prints)),
    ),
    settings,
  };
}

function plainRow(deps: RowsDeps, looked: Looked): SecretRow | undefined {
  const { turn, store, path, settings } = looked;
  const value = store.get(v1Directory + path);
  if (value === undefined) return undefined;
  const prints = [...fingerprintsOf(value, deps.fingerprintKey).keys.keys()];
  value.fill(0);
  return {
    ...placeOf(looked, deps),
    declared: nothingDeclared,
    version: 0,
    hasValue: true,
    readers: noReaders,
    ...elsewhereOf(turn, looked.mount.environment, prints),
    settings,
  };
}

function placeOf({ mount, path }: Looked, { services }: RowsDeps) {
  return {
    environment: mount.environment,
    mount: mount.path,
    mountId: mount.id,
    path,
    services: services.of(mount, path),
  };
}

function elsewhereOf(
  turn: Turn,
  own: string,
  prints: readonly Print[],
): Pick<SecretRow, 'elsewhere' | 'accountElsewhere'> {
  const others = { value: new Set<string>(), account: new Set<string>() };
  for (const print of new Set(prints)) {
    if (!isShared(turn, print)) continue;
    const found = isAccount(print) ? others.account : others.value;
    for (const environment of holdingOf(turn, print).keys()) if (environment !== own) found.add(environment);
  }
  const listed = (names: ReadonlySet<string>) => [...names].sort().map((environment) => ({ environment }));
  return { elsewhere: listed(others.value), accountElsewhere: listed(others.account) };
}
