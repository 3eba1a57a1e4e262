import { Fault, type SecretBytes } from '@sallyport/formats';
import type { VaultClient } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { readSecret } from '../../input.ts';
import { dataOf, fieldsOf, given, lines, tell, textOf } from './answers.ts';
import { withVault } from './connect.ts';

const which = {
  accessor: { type: 'string', value: 'ACCESSOR', doc: 'the token with this accessor' },
  stdin: { type: 'boolean', doc: 'the token on standard input, or asked for' },
} as const;

export const tokenMake: Command = {
  name: ['vault', 'token', 'create'],
  summary: 'make a token and print it, once',
  flags: {
    policy: {
      type: 'string',
      many: true,
      value: 'NAME',
      doc: 'a policy it has; default those of your token',
    },
    ttl: { type: 'string', value: 'TIME', doc: 'how long it lives: 30m, 8h' },
    'max-ttl': { type: 'string', value: 'TIME', doc: 'how long it can be made to live' },
    period: { type: 'string', value: 'TIME', doc: 'it lives for ever, if it is renewed once in this time' },
    uses: { type: 'string', value: 'COUNT', doc: 'how many requests it is good for' },
    'display-name': { type: 'string', value: 'NAME', doc: 'what the audit log calls it' },
    role: { type: 'string', value: 'NAME', doc: 'a token role' },
    type: { type: 'string', value: 'TYPE', doc: 'service or batch' },
    orphan: { type: 'boolean', doc: 'it does not end with your token' },
    'no-default-policy': { type: 'boolean', doc: 'without the policy default' },
  },
  examples: [
    'sally vault token create --policy app --ttl 8h',
    'sally vault token create --policy app --period 24h --orphan --json > app-token.json',
  ],
  run: async (invocation) => {
    const { flag, flags, on, out } = invocation;
    const role = flag('role');
    const body = given({
      policies: flags('policy'),
      ttl: flag('ttl'),
      explicit_max_ttl: flag('max-ttl'),
      period: flag('period'),
      num_uses: invocation.count('uses', 1, 1_000_000),
      display_name: flag('display-name'),
      type: flag('type'),
      no_parent: on('orphan') || undefined,
      no_default_policy: on('no-default-policy') || undefined,
    });
    const path = role === undefined ? 'auth/token/create' : `auth/token/create/${role}`;
    const auth = await withVault(invocation, async (client) => {
      const answer = await client.request({ method: 'POST', path, body });
      const made = fieldsOf(answer.plain('auth'));
      answer.wipe();
      return made;
    });
    out.data(auth, () => textOf(auth['client_token']));
    const life = Number(auth['lease_duration']);
    const until = life > 0 ? `valid for ${life} s` : 'without an end';
    out.note(
      `${until}, not shown again; sally vault token revoke --accessor ${textOf(auth['accessor'])} ends it`,
    );
    return undefined;
  },
};

export const tokenLookup: Command = {
  name: ['vault', 'token', 'lookup'],
  summary: 'say what a token may do and how long it lives; default your own',
  flags: which,
  examples: ['sally vault token lookup', 'sally vault token lookup --accessor 2Yx0fC1D'],
  run: async (invocation) => {
    const data = await ofToken(invocation, 'lookup', (client, path, body) =>
      dataOf(client, body === undefined ? { method: 'GET', path } : { method: 'POST', path, body }),
    );
    // What it is asked about is known to who asks; it need not be on the screen.
    const { id: _token, ...shown } = data;
    invocation.out.data(shown, () => lines(shown));
    return undefined;
  },
};

export const tokenRenew: Command = {
  name: ['vault', 'token', 'renew'],
  summary: 'let a token live on; default your own',
  flags: { ...which, increment: { type: 'string', value: 'TIME', doc: 'for how long from now: 8h' } },
  examples: ['sally vault token renew', 'sally vault token renew --increment 8h --accessor 2Yx0fC1D'],
  run: async (invocation) => {
    const increment = invocation.flag('increment');
    const auth = await ofToken(invocation, 'renew', async (client, path, body) => {
      const all = { ...body, ...given({ increment }) };
      const answer = await client.request({ method: 'POST', path, body: all });
      const { client_token: _token, ...rest } = fieldsOf(answer.plain('auth'));
      answer.wipe();
      return rest;
    });
    invocation.out.data(auth, () => `valid for ${textOf(fieldsOf(auth)['lease_duration'])} s from now`);
    return undefined;
  },
};

export const tokenEnd: Command = {
  name: ['vault', 'token', 'revoke'],
  summary: 'end a token, and all tokens and leases that came from it',
  flags: { ...which, self: { type: 'boolean', doc: 'your own' } },
  examples: ['sally vault token revoke --accessor 2Yx0fC1D', 'sally vault token revoke --stdin < old.token'],
  run: async (invocation) => {
    if (!invocation.on('self') && !invocation.on('stdin') && invocation.flag('accessor') === undefined) {
      throw new Fault('invalid', 'cli.usage', 'expected --accessor, --stdin or --self, got none');
    }
    await ofToken(invocation, 'revoke', (client, path, body) =>
      tell(client, { method: 'POST', path, body: body ?? {} }),
    );
    invocation.out.data({ revoked: true }, () => 'the token has ended');
    return undefined;
  },
};

/** `lookup`, `renew` or `revoke` of the token that the flags name: by accessor, by itself, or one's own. */
async function ofToken<T>(
  invocation: Invocation,
  verb: string,
  act: (client: VaultClient, path: string, body: Readonly<Record<string, unknown>> | undefined) => Promise<T>,
): Promise<T> {
  const accessor = invocation.flag('accessor');
  if (accessor !== undefined) {
    return withVault(invocation, (client) => act(client, `auth/token/${verb}-accessor`, { accessor }));
  }
  const token: SecretBytes | undefined = invocation.on('stdin') ? await readSecret('token') : undefined;
  if (token === undefined) {
    return withVault(invocation, (client) => act(client, `auth/token/${verb}-self`, undefined));
  }
  const body = { token: token.exposeUtf8().trim() };
  token.wipe();
  return withVault(invocation, (client) => act(client, `auth/token/${verb}`, body));
}
