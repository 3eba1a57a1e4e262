import type { Command } from '../../command.ts';
import { dataOf, fieldsOf, given, lines, tell, textOf } from './answers.ts';
import { withVault } from './connect.ts';

const args = [{ name: 'LEASE', doc: 'its id, as the answer that leased it says' }];

export const leaseLookup: Command = {
  name: ['vault', 'lease', 'lookup'],
  summary: 'say how long a lease lives',
  args,
  examples: ['sally vault lease lookup database/creds/app/2f6a614c'],
  run: async (invocation) => {
    const body = { lease_id: invocation.arg(0) };
    const call = { method: 'POST', path: 'sys/leases/lookup', body } as const;
    const found = await withVault(invocation, (client) => dataOf(client, call));
    invocation.out.data(found, () => lines(found));
    return undefined;
  },
};

export const leaseRenew: Command = {
  name: ['vault', 'lease', 'renew'],
  summary: 'let a lease live on',
  args,
  flags: { increment: { type: 'string', value: 'SECONDS', doc: 'for how long from now' } },
  examples: ['sally vault lease renew database/creds/app/2f6a614c --increment 3600'],
  run: async (invocation) => {
    const increment = invocation.count('increment', 1, 315_360_000);
    const body = { lease_id: invocation.arg(0), ...given({ increment }) };
    const renewed = await withVault(invocation, async (client) => {
      const answer = await client.request({ method: 'POST', path: 'sys/leases/renew', body });
      const fields = fieldsOf(answer.plain());
      answer.wipe();
      return { lease_id: fields['lease_id'], lease_duration: fields['lease_duration'] };
    });
    invocation.out.data(renewed, () => `valid for ${textOf(renewed.lease_duration)} s from now`);
    return undefined;
  },
};

export const leaseRevoke: Command = {
  name: ['vault', 'lease', 'revoke'],
  summary: 'end a lease, and what was leased with it',
  args,
  flags: { prefix: { type: 'boolean', doc: 'every lease that begins so' } },
  examples: [
    'sally vault lease revoke database/creds/app/2f6a614c',
    'sally vault lease revoke database/creds --prefix',
  ],
  run: async (invocation) => {
    const lease = invocation.arg(0);
    const call = invocation.on('prefix')
      ? ({ method: 'POST', path: `sys/leases/revoke-prefix/${lease}`, body: {} } as const)
      : ({ method: 'POST', path: 'sys/leases/revoke', body: { lease_id: lease } } as const);
    await withVault(invocation, (client) => tell(client, call));
    invocation.out.data({ lease, revoked: true }, () => `${lease} has ended`);
    return undefined;
  },
};
