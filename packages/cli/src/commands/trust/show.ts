import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';
import { readTrust } from './server-trust.ts';

const soonMs = 30 * 86_400_000;

export const trustShow: Command = {
  name: ['trust', 'show'],
  summary: 'say which root the TUF repository has, by which keys, and when each role ends',
  examples: ['sally trust show', 'sally trust show --json'],
  run: async (invocation) => {
    const trust = await readTrust(connect(invocation));
    const { root, roles } = trust;
    invocation.out.data(trust, () =>
      root === undefined
        ? `${trust.installation} has no TUF repository`
        : [
            `${trust.installation}: ${root.threshold} of ${root.keyIds.length} root keys`,
            ...root.keyIds.map((id) => `  ${id}`),
            '',
            table(
              ['ROLE', 'VERSION', 'UNTIL'],
              roles.map(({ role, version, expires }) => [role, String(version), expires]),
            ),
          ].join('\n'),
    );
    if (root === undefined) invocation.out.note('sally trust init begins one');
    else if (Date.parse(root.expires) - Date.now() < soonMs)
      invocation.out.warn(`the root ends at ${root.expires}: sally trust rotate makes the next one`);
    return undefined;
  },
};
