import { Fault, fromUtf8, isFault, type SecretBytes, toBase64, utf8 } from '@sallyport/formats';
import type { Client, SecretPlace } from '@sallyport/sdk';
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
  more: [
    'Other keys of the path stay as they are, which takes the right to read them. With --replace the new version has',
    'this key alone, which takes the right to write and nothing else; so does the first key of a path.',
  ],
  args: [{ name: 'PATH#KEY', doc: 'where it is kept, such as orders/db#url' }],
  flags: {
    ...flags,
    replace: { type: 'boolean', doc: 'leave out the other keys of the path, without reading anything' },
  },
  examples: [
    'sally secret put orders/db#url --env dev',
    'openssl rand -hex 32 | sally secret put orders/receipts#signing_key -e prod',
    'sally secret put orders/db#url --env dev --replace < url.txt',
  ],
  run: async (invocation) => {
    const { path, key } = splitRef(invocation.arg(0));
    const client = connect(invocation);
    const at = { project: projectOf(invocation), environment: environmentOf(invocation.flag), path };
    const value = await readSecret(`value of ${path}#${key}`);
    const { version } = await (invocation.on('replace')
      ? client.secrets.put(at, { [key]: value })
      : addKey(client, at, key, value));
    value.wipe();
    invocation.out.data(
      { ...at, key, version },
      () => `wrote version ${version} of ${path} in ${at.environment}`,
    );
    return undefined;
  },
};

/**
 * Tries the new path first, for which nothing has to be read. Every write names the version it builds on, so that two
 * people who write different keys at once cannot lose one of them.
 */
async function addKey(
  client: Client,
  at: SecretPlace,
  key: string,
  value: SecretBytes,
): Promise<{ readonly version: number }> {
  try {
    return await client.secrets.put(at, { [key]: value }, 0);
  } catch (error) {
    if (!isFault(error) || error.code !== 'secrets.version_conflict') throw error;
  }
  try {
    const [newest] = [...(await client.secrets.versions(at))].sort((a, b) => b.version - a.version);
    const others = newest?.keys.filter((each) => each !== key) ?? [];
    if (others.length === 0) return await client.secrets.put(at, { [key]: value }, newest?.version);
    const before = await client.secrets.get(at);
    return await client.secrets.put(at, { ...before.data, [key]: value }, before.version);
  } catch (cause) {
    if (!isFault(cause) || cause.kind !== 'denied') throw cause;
    throw new Fault('denied', cause.code, `${at.path} has other versions, which you may not read`, {
      hint: '--replace writes a version with this key alone',
      details: cause.details,
      cause,
    });
  }
}

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
    const { out } = invocation;
    if (out.json) out.data({ ...at, key, version, ...readable(value.expose()) }, () => '');
    else await out.bytes(value.expose());
    // The bytes exactly as they are for a program; for a person, a line.
    if (!out.json && process.stdout.isTTY) await out.bytes(utf8('\n'));
    return undefined;
  },
};

function readable(bytes: Uint8Array): { readonly value: string } | { readonly base64: string } {
  try {
    return { value: fromUtf8(bytes) };
  } catch {
    return { base64: toBase64(bytes) };
  }
}

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
