import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { whereFlags, whereOf } from './inventory.ts';

export const secretFindings: Command = {
  name: ['secret', 'findings'],
  summary: 'show what should not be as it is with secrets and tokens, the gravest first, and what to do',
  more: ['Ends with 1 when something grave was found, so that a pipeline can ask.'],
  flags: whereFlags,
  examples: ['sally secret findings', 'sally secret findings -p shop -e prod'],
  run: async (invocation) => {
    const { out } = invocation;
    const report = await connect(invocation).inventory.findings(whereOf(invocation));
    const { findings, counts } = report;
    out.data(report, () =>
      findings
        .map(
          ({ kind, severity, environment, subject, explanation, todo }) =>
            `${severity}  ${kind}  ${environment ?? '-'}  ${subject}\n    ${explanation}\n    ${todo}`,
        )
        .join('\n'),
    );
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    if (all === 0) out.note('nothing found');
    if (all > findings.length)
      out.note(`${all - findings.length} more: --project and --env narrow it, --json has the counts`);
    return findings.some(({ severity }) => severity === 'high') ? 1 : undefined;
  },
};
