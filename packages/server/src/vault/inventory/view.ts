import type { EnvironmentView, InventoryRow } from '@sallyport/contract';
import type { Environment } from '../environments/settings.ts';
import { consumersOf, rotationDueAt, type SecretRow, unknownReaders } from './row.ts';

const most = Date.parse('9999-12-31T23:59:59Z');

export function viewRow(row: SecretRow): InventoryRow {
  const { declared, createdAt, changedAt } = row;
  const consumers = consumersOf(row);
  const unknown = new Set(unknownReaders(row, consumers));
  return {
    environment: row.environment,
    mount: row.mount,
    path: row.path,
    version: row.version,
    hasValue: row.hasValue,
    ...(declared.owner === '' ? {} : { owner: declared.owner }),
    ...(declared.purpose === '' ? {} : { purpose: declared.purpose }),
    ...(declared.rotateSeconds === undefined ? {} : { rotateEverySeconds: declared.rotateSeconds }),
    ...instant('rotationDueAt', rotationDueAt(row)),
    ...instant('expiresAt', declared.expiresAt),
    ...instant('createdAt', createdAt),
    ...instant('changedAt', changedAt),
    consumers: [...consumers],
    readers: row.readers.map((seen) => ({
      name: seen.reader.name,
      id: seen.reader.id,
      declared: !unknown.has(seen),
      firstAt: instantOf(seen.first),
      lastAt: instantOf(seen.last),
      version: seen.version,
      reads: seen.count,
    })),
    elsewhere: row.elsewhere.map(({ environment = '?' }) => environment),
  };
}

export function viewEnvironment({ project, name, settings, declared }: Environment): EnvironmentView {
  return { project, name, ...settings, declared };
}

function instant<const Name extends string>(name: Name, at: number | undefined): { [_ in Name]?: string } {
  // One computed name gives an object of that name, which the compiler cannot see.
  return (at === undefined ? {} : { [name]: instantOf(at) }) as { [_ in Name]?: string };
}

/** What somebody wrote may lie far off; a year of five digits is no RFC 3339. */
function instantOf(at: number): string {
  return new Date(Math.min(Math.max(at, 0), most)).toISOString();
}
