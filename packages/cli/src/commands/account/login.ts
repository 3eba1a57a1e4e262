import { Fault } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect, open } from '../../connect.ts';
import { readSecret } from '../../input.ts';
import { saveToken } from '../../settings.ts';

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
  run: async (invocation) => {
    const { out, settings, flag } = invocation;
    const [name, email] = [flag('name'), flag('email')];
    if ((name === undefined) !== (email === undefined)) {
      throw new Fault('invalid', 'cli.usage', 'expected --name and --email together, got one of them', {
        hint: 'both for the first administrator, none for everybody else',
      });
    }
    const token = (await readSecret('token')).exposeUtf8().trim();
    if (name !== undefined && email !== undefined) {
      const { principal, issued } = await open(invocation).identity.login({ token, name, email });
      saveToken(settings, settings.address, issued.token);
      out.data(
        { id: principal.id, name: principal.name, expiresAt: issued.expiresAt },
        () => `signed in as ${principal.name}, the first administrator`,
      );
      return undefined;
    }
    const me = await open(invocation, token).identity.me();
    saveToken(settings, settings.address, token);
    out.data(me, () => `signed in as ${me.name}`);
    return undefined;
  },
};

export const whoami: Command = {
  name: ['whoami'],
  summary: 'say who the current token speaks for',
  examples: ['sally whoami'],
  run: async (invocation) => {
    const me = await connect(invocation).identity.me();
    invocation.out.data(
      me,
      () => `${me.name} (${me.id})${me.groups.length > 0 ? ` in ${me.groups.join(', ')}` : ''}`,
    );
    return undefined;
  },
};
