import { describeRevocation, Fault } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

export const revocationsList: Command = {
  name: ['revocations', 'list'],
  summary: 'what was withdrawn, by whom and why, and how long the list speaks for the present',
  examples: ['sally revocations list', 'sally revocations list --json | jq -r .bundle > revocations.json'],
  run: async (invocation) => {
    const list = await connect(invocation).revocations.list();
    const rows = list.entries.map((entry) => [
      entry.id,
      entry.at,
      entry.by.name,
      'restores' in entry ? `restores ${entry.restores}: ${entry.reason}` : describeRevocation(entry),
    ]);
    invocation.out.data(list, () =>
      [
        `list ${list.sequence}, valid until ${list.nextUpdate}, leaf ${list.logIndex} of the log`,
        ...(rows.length === 0 ? ['nothing is revoked'] : ['', table(['ID', 'AT', 'BY', 'WHAT'], rows)]),
      ].join('\n'),
    );
    return undefined;
  },
};

export const revocationsRestore: Command = {
  name: ['revocations', 'restore'],
  summary: 'end a revocation for what is signed from now on, or give a digest back',
  args: [{ name: 'ID', doc: 'as sally revocations list shows it' }],
  flags: { reason: { type: 'string', short: 'm', value: 'TEXT', doc: 'why, for the record' } },
  examples: ['sally revocations restore rev_01a1f87fcb7c --reason "the host was set up anew"'],
  run: async (invocation) => {
    const reason = invocation.flag('reason')?.trim() ?? '';
    if (reason === '') throw new Fault('invalid', 'cli.usage', 'expected --reason, got nothing');
    const entry = await connect(invocation).revocations.restore(invocation.arg(0), reason);
    invocation.out.data(entry, () => `${entry.id} restores ${invocation.arg(0)} from ${entry.at} on`);
    return undefined;
  },
};
