import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';

export const envPromoteConfig: Command = {
  name: ['env', 'promote-config'],
  summary: 'copy from one environment to another which secrets must exist; never a value',
  more: [
    'Copied are paths, names of keys, and owner, purpose, rotate_every, expires_at and consumers of the custom metadata.',
    'What the second environment says already stays. What looks like a value is left out, and named.',
  ],
  args: [
    { name: 'PROJECT', doc: 'the project' },
    { name: 'FROM', doc: 'the environment that has the secrets' },
    { name: 'TO', doc: 'the environment that must have them' },
  ],
  examples: ['sally env promote-config shop dev stage'],
  run: async (invocation) => {
    const { arg, out } = invocation;
    const report = await connect(invocation).environments.promoteConfig(arg(0), arg(1), arg(2));
    out.data(report, () =>
      [
        `${report.created} new, ${report.completed} completed, ${report.unchanged} as they were`,
        ...report.leftOut.map(
          ({ mount, path, what }) => `left out: ${mount}${path ?? '?'}: ${what.join(', ')}`,
        ),
        ...(report.moreLeftOut > 0 ? [`left out: ${report.moreLeftOut} more`] : []),
      ].join('\n'),
    );
    for (const mount of report.unpaired)
      out.warn(
        `${mount} has no counterpart in ${arg(2)}: mount one whose path has ${arg(2)} in place of ${arg(1)}`,
      );
    if (report.created > 0)
      out.note(`values are still to be written: sally env parity ${arg(0)} shows which`);
    return undefined;
  },
};
