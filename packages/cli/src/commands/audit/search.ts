import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { filterFlags, filterOf, momentOf } from './filter.ts';
import { readPage, shown } from './pages.ts';

const defaultLimit = 1000;
const pageSize = 500;

export const auditSearch: Command = {
  name: ['audit', 'search'],
  summary: 'find who did what with secrets, oldest first',
  more: [
    'Values are hashed in the audit: --value asks the server for the lines that have the hash of one.',
    'With --json each line is printed as the audit has it.',
  ],
  flags: {
    since: { type: 'string', value: 'WHEN', doc: 'from then on: 15m, 2h, 3d ago, or a date or time' },
    until: { type: 'string', value: 'WHEN', doc: 'before then' },
    ...filterFlags,
    limit: { type: 'string', value: 'N', doc: `at most so many lines, default ${defaultLimit}` },
  },
  examples: [
    "sally audit search --since 24h --path 'secret/data/prod/*'",
    'sally audit search --user ada --errors',
    'sally audit search --value < leaked.txt',
  ],
  run: async (invocation) => {
    const { out, flag, count } = invocation;
    const limit = count('limit', 1, 1_000_000) ?? defaultLimit;
    const now = new Date();
    const [since, until] = [flag('since'), flag('until')];
    const window = {
      ...(since === undefined ? {} : { since: momentOf('since', since, now) }),
      ...(until === undefined ? {} : { until: momentOf('until', until, now) }),
    };
    const client = connect(invocation);
    const asked = await filterOf(invocation);
    let [found, malformed] = [0, 0];
    try {
      for (let after: string | undefined; ; ) {
        const page = await readPage(client, asked, {
          ...window,
          limit: Math.min(pageSize, limit - found),
          ...(after === undefined ? {} : { after }),
        });
        for (const line of page.lines) out.line(line.entry, () => shown(line));
        found += page.lines.length;
        malformed += page.malformed;
        after = page.next;
        if (page.complete) break;
        if (found >= limit) {
          out.note(`there may be more than ${limit}: --limit, or --since the last one`);
          break;
        }
      }
    } finally {
      asked.value?.wipe();
    }
    if (found === 0) out.note('nothing found');
    if (malformed > 0)
      out.warn(`${malformed} lines could not be read: sally audit verify says what is wrong`);
    return undefined;
  },
};
