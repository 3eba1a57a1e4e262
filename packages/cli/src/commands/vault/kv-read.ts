import { Fault, fromUtf8, type SecretBytes, toBase64, utf8 } from '@sallyport/formats';
import type { VaultSecret } from '@sallyport/sdk';
import type { Command } from '../../command.ts';
import { type Printer, table } from '../../printer.ts';
import { compactJson } from './compact-json.ts';
import { withVault } from './connect.ts';

const path = { name: 'PATH', doc: 'where it is kept, such as secret/app' };

export const kvGet: Command = {
  name: ['kv', 'get'],
  summary: 'print a secret, or one value of it as it is',
  args: [path],
  flags: {
    field: { type: 'string', short: 'f', value: 'KEY', doc: 'only this value, byte for byte' },
    version: { type: 'string', value: 'VERSION', doc: 'an older version' },
  },
  examples: [
    'sally kv get secret/app',
    'sally kv get secret/app --field password',
    'sally kv get secret/app --version 2 --json',
  ],
  run: async (invocation) => {
    const { out, arg, flag } = invocation;
    const version = invocation.count('version', 1, 2 ** 31);
    const secret = await withVault(invocation, (client) =>
      client.read(arg(0), version === undefined ? {} : { version }),
    );
    const field = flag('field');
    await (field === undefined ? printAll(out, arg(0), secret) : printOne(out, arg(0), secret, field));
    secret.wipe();
    return undefined;
  },
};

async function printAll(out: Printer, at: string, secret: VaultSecret): Promise<void> {
  const { version, data } = secret;
  if (out.json) {
    const head = { path: at, ...(version === undefined ? {} : { version }) };
    // The values as they are kept, never parsed: a number keeps its digits.
    await out.bytes(utf8(`${JSON.stringify(head).slice(0, -1)},"data":`));
    await out.bytes(compactJson(secret.json.expose()));
    await out.bytes(utf8('}\n'));
    return;
  }
  const rows = Object.entries(data).map(([key, value]) => [key, shown(value)]);
  out.data({}, () => table(['KEY', 'VALUE'], rows));
  if (version !== undefined) out.note(`version ${version} of ${at}`);
}

async function printOne(
  out: Printer,
  at: string,
  { data, version }: VaultSecret,
  field: string,
): Promise<void> {
  const value = Object.hasOwn(data, field) ? data[field] : undefined;
  if (value === undefined) {
    const known = Object.keys(data).join(', ');
    throw new Fault(
      'not_found',
      'cli.no_key',
      `expected the key ${field} in ${at}, found ${known || 'none'}`,
    );
  }
  if (out.json) {
    out.data({ path: at, version, key: field, value: shown(value) }, () => '');
    return;
  }
  await out.bytes(value.expose());
  if (process.stdout.isTTY) await out.bytes(utf8('\n'));
}

function shown(value: SecretBytes): string {
  try {
    return fromUtf8(value.expose());
  } catch {
    return toBase64(value.expose());
  }
}

export const kvList: Command = {
  name: ['kv', 'list'],
  summary: 'list the names below a path; those that end in a slash have more below them',
  args: [{ name: 'PATH', doc: 'a mount or a path in it, such as secret or secret/team' }],
  examples: ['sally kv list secret', 'sally kv list secret/team --json'],
  run: async (invocation) => {
    const names = await withVault(invocation, (client) => client.list(invocation.arg(0)));
    invocation.out.data(names, () => names.join('\n'));
    return undefined;
  },
};

export const kvMetadata: Command = {
  name: ['kv', 'metadata'],
  summary: 'say which versions of a secret there are, without values',
  args: [path],
  examples: ['sally kv metadata secret/app'],
  run: async (invocation) => {
    const found = await withVault(invocation, (client) => client.metadata(invocation.arg(0)));
    const state = (each: (typeof found.versions)[number]): string =>
      each.destroyed
        ? 'destroyed'
        : each.deletedAt === ''
          ? 'there'
          : `deleted ${each.deletedAt.slice(0, 19)}`;
    invocation.out.data(found, () =>
      table(
        ['VERSION', 'WRITTEN', 'STATE'],
        found.versions.map((each) => [String(each.version), each.createdAt.slice(0, 19), state(each)]),
      ),
    );
    for (const [name, value] of Object.entries(found.custom)) invocation.out.note(`${name}: ${value}`);
    return undefined;
  },
};
