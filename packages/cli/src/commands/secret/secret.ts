import { Fault } from '@sallyport/formats';
import type { Command, Flag } from '../../command.ts';
import { connect, projectFlag, projectOf } from '../../connect.ts';
import { readSecret } from '../../input.ts';
import { table } from '../../printer.ts';

const flags: Readonly<Record<string, Flag>> = {
  ...projectFlag,
  env: {
    type: 'string',
    short: 'e',
    value: 'NAME',
    doc: 'the environment; `build` holds the secrets of steps',
  },
};

function environmentOf(flag: (name: string) => string | undefined): string {
  const environment = flag('env');
  if (environment !== undefined) return environment;
  throw new Fault('invalid', 'cli.usage', 'expected --env, got nothing', {
    hint: 'secrets belong to one environment: --env dev',
  });
}

/** `orders/db#url` */
function splitRef(text: string): { readonly path: string; readonly key: string } {
  const [path = '', key = '', more] = text.split('#');
  if (path !== '' && key !== '' && more === undefined) return { path, key };
  throw new Fault('invalid', 'cli.usage', `expected PATH#KEY such as orders/db#url, got '${text}'`);
}

export const secretPut: Command = {
  name: ['secret', 'put'],
  summary: 'write a new version of a secret; the value comes from standard input or is asked for',
  args: [
    {
      name: 'PATH#KEY',
      doc: 'where it is kept, such as orders/db#url; other keys of the path stay as they are',
    },
  ],
  flags,
  examples: [
    'sally secret put orders/db#url --env dev',
    'openssl rand -hex 32 | sally secret put orders/receipts#signing_key -e prod',
  ],
  run: async (invocation) => {
    const { path, key } = splitRef(invocation.arg(0));
    const client = connect(invocation);
    const at = { project: projectOf(invocation), environment: environmentOf(invocation.flag), path };
    const value = await readSecret(`value of ${path}#${key}`);
    const before = await client.secrets.get(at).catch((error: unknown) => {
      if (error instanceof Fault && error.kind === 'not_found') return { data: {} };
      throw error;
    });
    const { version } = await client.secrets.put(at, { ...before.data, [key]: value });
    value.wipe();
    invocation.out.data(
      { ...at, key, version },
      () => `wrote version ${version} of ${path} in ${at.environment}`,
    );
    return undefined;
  },
};

export const secretGet: Command = {
  name: ['secret', 'get'],
  summary: 'print the value of a secret; the access is recorded first',
  args: [{ name: 'PATH#KEY', doc: 'where it is kept' }],
  flags,
  examples: ['sally secret get orders/db#url --env dev'],
  run: async (invocation) => {
    const { path, key } = splitRef(invocation.arg(0));
    const at = { project: projectOf(invocation), environment: environmentOf(invocation.flag), path };
    const { version, data } = await connect(invocation).secrets.get(at);
    const value = data[key];
    if (value === undefined) {
      throw new Fault(
        'not_found',
        'cli.no_key',
        `expected the key ${key} in ${path}, found ${Object.keys(data).join(', ')}`,
      );
    }
    const text = value.exposeUtf8();
    invocation.out.data({ ...at, key, version, value: text }, () => text);
    return undefined;
  },
};

export const secretList: Command = {
  name: ['secret', 'list'],
  summary: 'list the secrets of an environment, without values',
  flags,
  examples: ['sally secret list --env prod'],
  run: async (invocation) => {
    const environment = environmentOf(invocation.flag);
    const found = await connect(invocation).secrets.list(projectOf(invocation), environment);
    invocation.out.data(found, () =>
      table(
        ['PATH', 'VERSION'],
        found.map((each) => [each.path, String(each.version)]),
      ),
    );
    return undefined;
  },
};
