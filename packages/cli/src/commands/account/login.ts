import { createTransport, path } from '@sallyport/sdk';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { readSecret } from '../../input.ts';
import { saveToken } from '../../settings.ts';

interface Me {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
}

export const login: Command = {
  name: ['login'],
  summary: 'sign in: with the one-time token of the first start, or with a token that somebody gave you',
  flags: {
    name: { type: 'string', value: 'NAME', doc: 'first administrator only: your name' },
    email: { type: 'string', value: 'ADDRESS', doc: 'first administrator only: the address you commit with' },
  },
  examples: [
    'sally login --name "Ada Example" --email ada@example.com   # then paste the one-time token',
    'sally login < token.txt',
  ],
  run: async ({ out, settings, flag }) => {
    const token = (await readSecret('token')).exposeUtf8().trim();
    const [name, email] = [flag('name'), flag('email')];
    if (name !== undefined && email !== undefined) {
      const transport = createTransport({ address: settings.address });
      const { principal, issued } = await transport.json<{ principal: Me; issued: { token: string } }>(
        'POST',
        '/api/identity/login',
        { body: { token, name, email } },
      );
      saveToken(settings, settings.address, issued.token);
      out.data(
        { id: principal.id, name: principal.name },
        () => `signed in as ${principal.name}, the first administrator`,
      );
      return undefined;
    }
    const me = await createTransport({ address: settings.address, token }).json<Me>(
      'GET',
      '/api/identity/me',
    );
    saveToken(settings, settings.address, token);
    out.data(me, () => `signed in as ${me.name}`);
    return undefined;
  },
};

export const whoami: Command = {
  name: ['whoami'],
  summary: 'say who the current token speaks for',
  examples: ['sally whoami'],
  run: async ({ out, settings }) => {
    const transport = createTransport({
      address: settings.address,
      ...(settings.token === undefined ? {} : { token: settings.token }),
    });
    const me = await transport.json<Me>('GET', '/api/identity/me');
    out.data(me, () => `${me.name} (${me.id})${me.groups.length > 0 ? ` in ${me.groups.join(', ')}` : ''}`);
    return undefined;
  },
};

export const personAdd: Command = {
  name: ['person', 'add'],
  summary: 'add a person and print a token for them, once',
  args: [{ name: 'NAME', doc: 'the name of the person' }],
  flags: {
    email: { type: 'string', many: true, value: 'ADDRESS', doc: 'an address the person commits with' },
    group: { type: 'string', many: true, value: 'NAME', doc: 'a group, such as release' },
    policy: { type: 'string', many: true, value: 'NAME', doc: 'a policy that says what the person may do' },
    days: { type: 'string', value: 'DAYS', doc: 'how long the token lives, default 30' },
  },
  examples: ['sally person add Riley --email riley@example.com --group release --policy approver'],
  run: async (invocation) => {
    const { out, flags, arg, flag } = invocation;
    const transport = connect(invocation).transport;
    const person = await transport.json<Me>('POST', '/api/identity/persons', {
      body: { name: arg(0), emails: flags('email'), groups: flags('group'), policies: flags('policy') },
    });
    const ttlSeconds = Number(flag('days') ?? '30') * 86_400;
    const issued = await transport.json<{ token: string; expiresAt: string }>(
      'POST',
      path`/api/identity/principals/${person.id}/tokens`,
      { body: { ttlSeconds, description: 'given by sally person add' } },
    );
    out.data({ id: person.id, name: person.name, ...issued }, () => issued.token);
    out.note(`the token of ${person.name} is valid until ${issued.expiresAt} and is not shown again`);
    return undefined;
  },
};
