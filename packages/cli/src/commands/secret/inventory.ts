import type { InventoryRow } from '@sallyport/contract';
import type { InventoryFilter } from '@sallyport/sdk';
import type { Command, Flag, Invocation } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

/** Which environments; the default is all that the caller may see. */
export const whereFlags: Readonly<Record<string, Flag>> = {
  project: { type: 'string', short: 'p', value: 'NAME', doc: 'only of this project' },
  env: { type: 'string', short: 'e', value: 'NAME', doc: 'only of environments of this name' },
};

export function whereOf({ flag }: Invocation): Pick<InventoryFilter, 'project' | 'environment'> {
  const [project, environment] = [flag('project'), flag('env')];
  return {
    ...(project === undefined ? {} : { project }),
    ...(environment === undefined ? {} : { environment }),
  };
}

export const secretInventory: Command = {
  name: ['secret', 'inventory'],
  summary: 'list secrets with owner, age, rotation, consumers and who read them last; no values',
  more: [
    'Owner, purpose, rotate_every, expires_at and consumers are read from the custom metadata of a secret.',
    'Several conditions have to hold together.',
  ],
  flags: {
    ...whereFlags,
    unowned: { type: 'boolean', doc: 'nobody is said to own them' },
    unused: { type: 'string', value: 'DAYS', doc: 'neither read nor written for so long' },
    overdue: { type: 'boolean', doc: 'their value should have been replaced' },
    shared: { type: 'string', value: 'N', doc: 'used by more than N' },
    expiring: { type: 'string', value: 'DAYS', doc: 'expire within so many days' },
    'unknown-reader': { type: 'boolean', doc: 'read by somebody who is not among their consumers' },
    elsewhere: { type: 'boolean', doc: 'with a value that another environment has' },
  },
  examples: [
    'sally secret inventory --unowned',
    'sally secret inventory -p shop -e prod --overdue',
    'sally secret inventory --unused 90 --json',
  ],
  run: async (invocation) => {
    const client = connect(invocation);
    const filter = filterOf(invocation);
    const rows: InventoryRow[] = [];
    for (let after: string | undefined; ; ) {
      const { secrets, next } = await client.inventory.secrets(filter, after);
      rows.push(...secrets);
      if (next === undefined) break;
      after = next;
    }
    invocation.out.data(rows, () => table(head, rows.map(shown)));
    if (rows.length === 0) invocation.out.note('nothing found');
    return undefined;
  },
};

function filterOf(invocation: Invocation): InventoryFilter {
  const { on, count } = invocation;
  const unusedDays = count('unused', 1, 3650);
  const shared = count('shared', 0, 10_000);
  const expiringDays = count('expiring', 1, 3650);
  return {
    ...whereOf(invocation),
    ...(on('unowned') ? { unowned: true } : {}),
    ...(on('overdue') ? { overdue: true } : {}),
    ...(on('unknown-reader') ? { unknownReader: true } : {}),
    ...(on('elsewhere') ? { elsewhere: true } : {}),
    ...(unusedDays === undefined ? {} : { unusedDays }),
    ...(shared === undefined ? {} : { shared }),
    ...(expiringDays === undefined ? {} : { expiringDays }),
  };
}

const head = ['ENV', 'SECRET', 'VERSION', 'OWNER', 'CHANGED', 'LAST READ', 'CONSUMERS', 'NOTES'];

function shown(row: InventoryRow): readonly string[] {
  const [last] = row.readers;
  const unknown = row.readers.filter(({ declared }) => !declared).length;
  const notes = [
    ...(row.hasValue ? [] : ['no value']),
    ...(row.rotationDueAt === undefined ? [] : [`rotate by ${day(row.rotationDueAt)}`]),
    ...(row.expiresAt === undefined ? [] : [`expires ${day(row.expiresAt)}`]),
    ...(unknown === 0 ? [] : [`${unknown} undeclared ${unknown === 1 ? 'reader' : 'readers'}`]),
    ...(row.elsewhere.length === 0 ? [] : [`same value in ${row.elsewhere.join(', ')}`]),
  ];
  return [
    row.environment,
    row.mount + row.path,
    row.version === 0 ? '-' : String(row.version),
    row.owner ?? '-',
    day(row.changedAt),
    last === undefined ? '-' : `${day(last.lastAt)} ${last.name}`,
    row.consumers.join(',') || '-',
    notes.join('; '),
  ];
}

function day(instant: string | undefined): string {
  return instant?.slice(0, 10) ?? '-';
}
