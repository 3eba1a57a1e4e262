import type { Command } from '../../command.ts';
import { fieldsOf, lines, textOf } from './answers.ts';
import { withVault } from './connect.ts';

export const vaultStatus: Command = {
  name: ['vault', 'status'],
  summary: 'say whether the secrets store is initialised and open; exit code 5 when it is sealed',
  examples: ['sally vault status', 'sally vault status --json'],
  run: async (invocation) => {
    const found = await withVault(invocation, async (client) => {
      const answer = await client.openRequest({ method: 'GET', path: 'sys/seal-status' });
      const status = fieldsOf(answer.plain());
      answer.wipe();
      return { address: client.address, ...status };
    });
    const status = fieldsOf(found);
    const { address, type, initialized, sealed, t, n, progress, version } = status;
    invocation.out.data(status, () =>
      lines({
        address: textOf(address),
        seal: textOf(type),
        initialised: initialized,
        sealed,
        ...(Number(n) > 0 ? { shares: `${textOf(t)} of ${textOf(n)} open it` } : {}),
        ...(sealed === true && Number(n) > 0 ? { progress: `${textOf(progress)} of ${textOf(t)}` } : {}),
        version: textOf(status['sallyport_version'] ?? version),
      }),
    );
    return sealed === false ? undefined : 5;
  },
};
