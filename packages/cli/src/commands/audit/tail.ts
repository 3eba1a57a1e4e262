import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { filterFlags, filterOf, momentOf } from './filter.ts';
import { readPage, shown } from './pages.ts';

/** Less than what lies between us and the server lets a request wait. */
const waitSeconds = 20;

export const auditTail: Command = {
  name: ['audit', 'tail'],
  summary: 'show what is done with secrets as it happens, until Ctrl-C',
  flags: {
    since: { type: 'string', value: 'WHEN', doc: 'begin back then: 15m, 2h, 3d ago, or a date or time' },
    ...filterFlags,
  },
  examples: [
    'sally audit tail',
    "sally audit tail --path 'secret/data/prod/*' --errors",
    'sally audit tail --json',
  ],
  run: async (invocation) => {
    const { out, flag } = invocation;
    const since = flag('since');
    const from = since === undefined ? {} : { since: momentOf('since', since, new Date()) };
    const client = connect(invocation);
    const asked = await filterOf(invocation);
    let after =
      since === undefined
        ? (await client.transport.json<{ next: string }>('GET', '/api/audit/end')).next
        : undefined;
    for (;;) {
      const page = await readPage(client, asked, {
        ...from,
        wait: waitSeconds,
        ...(after === undefined ? {} : { after }),
      });
      for (const line of page.lines) out.line(line.entry, () => shown(line));
      after = page.next;
    }
  },
};
