import { Fault } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command, Flag } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

const ofFlag: Readonly<Record<string, Flag>> = {
  of: { type: 'string', value: 'WHO', doc: 'a name or id as sally person list --all shows it; default you' },
};

export const tokenCreate: Command = {
  name: ['token', 'create'],
  summary: 'make a token and print it, once',
  flags: {
    ...ofFlag,
    policy: {
      type: 'string',
      many: true,
      value: 'NAME',
      doc: 'a policy the token shall have; default all that its owner has',
    },
    days: { type: 'string', value: 'DAYS', doc: 'how long it lives, default 30' },
    description: { type: 'string', short: 'm', value: 'TEXT', doc: 'what it is for' },
  },
  examples: [
    'sally token create --days 1 -m "release script"',
    'sally token create --of Riley --policy approver > riley.token',
  ],
  run: async (invocation) => {
    const { count, flag, flags, out } = invocation;
    const ttlSeconds = (count('days', 1, 366) ?? 30) * 86_400;
    const client = connect(invocation);
    const [description, policies] = [flag('description'), flags('policy')];
    const issued = await client.identity.createToken(await principalOf(client, flag('of')), {
      ttlSeconds,
      ...(description === undefined ? {} : { description }),
      ...(policies.length === 0 ? {} : { policies }),
    });
    out.data(issued, () => issued.token);
    out.note(
      `valid until ${issued.expiresAt}, not shown again; sally token revoke ${issued.accessor} ends it`,
    );
    return undefined;
  },
};

export const tokenList: Command = {
  name: ['token', 'list'],
  summary: 'list tokens by accessor; no command shows a token again',
  flags: ofFlag,
  examples: ['sally token list', 'sally token list --of Riley'],
  run: async (invocation) => {
    const client = connect(invocation);
    const found = await client.identity.tokens(await principalOf(client, invocation.flag('of')));
    invocation.out.data(found, () =>
      table(
        ['ACCESSOR', 'POLICIES', 'EXPIRES', 'LAST USED', 'STATE', 'DESCRIPTION'],
        found.map((each) => [
          each.accessor,
          each.policies.join(',') || '-',
          each.expiresAt.slice(0, 19),
          each.lastUsedAt?.slice(0, 19) ?? 'never',
          each.revokedAt === undefined ? 'active' : 'revoked',
          each.description,
        ]),
      ),
    );
    return undefined;
  },
};

export const tokenRevoke: Command = {
  name: ['token', 'revoke'],
  summary: 'end a token at once',
  args: [{ name: 'ACCESSOR', doc: 'as sally token list shows it' }],
  examples: ['sally token revoke tok_01a1f87fcb7c'],
  run: async (invocation) => {
    const accessor = invocation.arg(0);
    await connect(invocation).identity.revokeToken(accessor);
    invocation.out.data({ accessor, revoked: true }, () => `${accessor} is revoked`);
    return undefined;
  },
};

async function principalOf({ identity }: Client, who: string | undefined): Promise<string> {
  if (who === undefined) return (await identity.me()).id;
  const found = (await identity.principals()).filter(({ id, name }) => id === who || name === who);
  const [only, second] = found;
  if (only !== undefined && second === undefined) return only.id;
  throw new Fault(
    'not_found',
    'cli.no_principal',
    `expected one person, workload or agent '${who}', found ${found.length}`,
    {
      hint: 'sally person list --all shows names and ids',
    },
  );
}
