import { Fault } from '@sallyport/formats';
import type { Command, Flag, Invocation } from '../../command.ts';
import { table } from '../../printer.ts';
import { dataOf, fieldsOf, given, tell, textOf } from './answers.ts';
import { withVault } from './connect.ts';

interface Kind {
  /** `mount` for secrets engines, `auth` for ways to sign in. */
  readonly word: 'mount' | 'auth';
  readonly path: 'sys/mounts' | 'sys/auth';
  readonly what: string;
  readonly type: string;
}

const kinds: readonly Kind[] = [
  { word: 'mount', path: 'sys/mounts', what: 'secrets engine', type: 'kv' },
  { word: 'auth', path: 'sys/auth', what: 'way to sign in', type: 'approle' },
];

const tuning: Readonly<Record<string, Flag>> = {
  description: { type: 'string', value: 'TEXT', doc: 'what it is for' },
  'default-ttl': { type: 'string', value: 'TIME', doc: 'how long leases live: 8h' },
  'max-ttl': { type: 'string', value: 'TIME', doc: 'how long leases can be made to live' },
};

/** `sally vault mount …` and `sally vault auth …`: the same verbs for what is mounted below `/` and below `auth/`. */
export const mountCommands: readonly Command[] = kinds.flatMap((kind) => [
  list(kind),
  enable(kind),
  tune(kind),
  disable(kind),
]);

function list({ word, path, what }: Kind): Command {
  return {
    name: ['vault', word, 'list'],
    summary: `list what is mounted: every ${what} with its path`,
    examples: [`sally vault ${word} list`],
    run: async (invocation) => {
      const found = await withVault(invocation, (client) => dataOf(client, { method: 'GET', path }));
      const rows = Object.entries(found).map(([at, value]): readonly string[] => {
        const { type, description, options, environment } = fieldsOf(value);
        const version = textOf(fieldsOf(options)['version']);
        const kind = version === '' ? textOf(type) : `${textOf(type)} v${version}`;
        return [at, kind, textOf(environment) || '-', textOf(description)];
      });
      invocation.out.data(found, () => table(['PATH', 'TYPE', 'ENVIRONMENT', 'DESCRIPTION'], rows));
      return undefined;
    },
  };
}

function enable({ word, path, what, type }: Kind): Command {
  return {
    name: ['vault', word, 'enable'],
    summary: `mount a ${what}`,
    args: [
      { name: 'TYPE', doc: word === 'mount' ? 'kv, transit' : 'approle, jwt, kubernetes, userpass, cert' },
    ],
    flags: {
      path: { type: 'string', value: 'PATH', doc: 'where; default the name of its type' },
      option: {
        type: 'string',
        many: true,
        value: 'NAME=VALUE',
        doc: 'an option of the type, such as version=2',
      },
      environment: {
        type: 'string',
        value: 'NAME',
        doc: 'the environment whose key encrypts it: project/name',
      },
      ...tuning,
    },
    examples: [
      word === 'mount'
        ? `sally vault mount enable kv --path team --option version=2`
        : `sally vault auth enable ${type} --path ci`,
    ],
    run: async (invocation) => {
      const { arg, flag, flags } = invocation;
      const at = flag('path') ?? arg(0);
      const options = Object.fromEntries(flags('option').map(pair));
      const body = given({
        type: arg(0),
        description: flag('description'),
        environment: flag('environment'),
        options: flags('option').length === 0 ? undefined : options,
        config: given({ default_lease_ttl: flag('default-ttl'), max_lease_ttl: flag('max-ttl') }),
      });
      await withVault(invocation, (client) => tell(client, { method: 'POST', path: `${path}/${at}`, body }));
      invocation.out.data({ path: at, type: arg(0) }, () => `mounted ${arg(0)} at ${at}/`);
      return undefined;
    },
  };
}

function tune({ word, path, what }: Kind): Command {
  return {
    name: ['vault', word, 'tune'],
    summary: `change the settings of a ${what}, or show them`,
    args: [{ name: 'PATH', doc: 'where it is mounted' }],
    flags: tuning,
    examples: [`sally vault ${word} tune ${word === 'mount' ? 'secret' : 'ci'} --max-ttl 24h`],
    run: async (invocation) => {
      const body = given({
        description: invocation.flag('description'),
        default_lease_ttl: invocation.flag('default-ttl'),
        max_lease_ttl: invocation.flag('max-ttl'),
      });
      const at = `${path}/${invocation.arg(0)}/tune`;
      const settings = await withVault(invocation, async (client) => {
        if (Object.keys(body).length > 0) await tell(client, { method: 'POST', path: at, body });
        return await dataOf(client, { method: 'GET', path: at });
      });
      invocation.out.data(settings, () =>
        table(
          ['SETTING', 'VALUE'],
          Object.entries(settings).map(([name, value]) => [name, textOf(value)]),
        ),
      );
      return undefined;
    },
  };
}

function disable({ word, path, what }: Kind): Command {
  return {
    name: ['vault', word, 'disable'],
    summary: `unmount a ${what}, with all that is kept there, for ever`,
    args: [{ name: 'PATH', doc: 'where it is mounted' }],
    flags: { yes: { type: 'boolean', doc: 'it shall be gone' } },
    examples: [`sally vault ${word} disable ${word === 'mount' ? 'team' : 'ci'} --yes`],
    run: async (invocation) => {
      const at = invocation.arg(0);
      confirm(invocation, at);
      await withVault(invocation, (client) => tell(client, { method: 'DELETE', path: `${path}/${at}` }));
      invocation.out.data({ path: at, disabled: true }, () => `unmounted ${at}/`);
      return undefined;
    },
  };
}

function confirm({ on }: Invocation, at: string): void {
  if (on('yes')) return;
  throw new Fault('invalid', 'cli.usage', `expected --yes: everything at ${at}/ would be gone for ever`, {
    hint: 'sally secret export keeps a copy first',
  });
}

function pair(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new Fault('invalid', 'cli.usage', `expected --option to be NAME=VALUE, got '${text}'`);
}
