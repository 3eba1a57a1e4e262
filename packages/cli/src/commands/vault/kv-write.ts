import { Fault } from '@sallyport/formats';
import type { Command, Flag, Invocation } from '../../command.ts';
import { withVault } from './connect.ts';
import { readValues, wipeValues } from './values.ts';

const args = [
  { name: 'PATH', doc: 'where it is kept, such as secret/app' },
  {
    name: 'VALUE',
    many: true,
    doc: 'KEY=@FILE, KEY=- for standard input, KEY to be asked; or @FILE.json, or -',
  },
];

const casFlag: Readonly<Record<string, Flag>> = {
  cas: {
    type: 'string',
    value: 'VERSION',
    doc: 'only if this version is the current one; 0: if there is none',
  },
};

const more = [
  'A value is never taken from the command line (key=value): every user of the machine sees the arguments of a',
  'program, and shells keep them in files.',
];

export const kvPut: Command = {
  name: ['kv', 'put'],
  summary: 'write a secret: a new version with exactly these keys',
  more,
  args,
  flags: casFlag,
  examples: [
    'sally kv put secret/app password',
    'sally kv put secret/app key=@key.pem password=-',
    'sally kv put secret/app @app.json --cas 0',
  ],
  run: (invocation) => write(invocation, 'write'),
};

export const kvPatch: Command = {
  name: ['kv', 'patch'],
  summary: 'write some keys of a secret, and leave the others as they are',
  more,
  args,
  flags: casFlag,
  examples: ['sally kv patch secret/app password', 'sally kv patch secret/app key=@key.pem --cas 3'],
  run: (invocation) => write(invocation, 'patch'),
};

async function write(invocation: Invocation, verb: 'write' | 'patch'): Promise<undefined> {
  const path = invocation.arg(0);
  const words = invocation.args.slice(1);
  if (words.length === 0) {
    throw new Fault('invalid', 'cli.usage', 'expected a value such as KEY=@FILE, got nothing');
  }
  const cas = invocation.count('cas', 0, 2 ** 31);
  const data = await readValues(words);
  try {
    const options = cas === undefined ? {} : { cas };
    const { version } = await withVault(invocation, (client) => client[verb](path, data, options));
    invocation.out.data({ path, ...(version === undefined ? {} : { version }) }, () =>
      version === undefined ? `wrote ${path}` : `wrote version ${version} of ${path}`,
    );
  } finally {
    wipeValues(data);
  }
  return undefined;
}
