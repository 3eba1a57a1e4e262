import { Fault, utf8 } from '@sallyport/formats';
import type { Answer, VaultCall } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import type { Printer } from '../../printer.ts';
import { fieldsOf, lines } from './answers.ts';
import { withVault } from './connect.ts';
import { jsonObject } from './values.ts';

const args = [{ name: 'PATH', doc: 'a path of the API below /v1/' }];

/** Fields of Vault's API that hold secrets: their values do not belong on a command line. */
const secretFields =
  /^(password|passphrase|secret_id|token|client_token|jwt|plaintext|input|key|private_key|bindpass|secret)$/;

export const vaultGet: Command = {
  name: ['vault', 'get'],
  summary: "read any path of Vault's API",
  args,
  flags: { query: { type: 'string', many: true, value: 'NAME=VALUE', doc: 'a parameter' } },
  examples: ['sally vault get auth/approle/role/app', 'sally vault get sys/key-status --json'],
  run: (invocation) =>
    show(invocation, { method: 'GET', path: invocation.arg(0), query: queryOf(invocation) }),
};

export const vaultPut: Command = {
  name: ['vault', 'put'],
  summary: "write to any path of Vault's API",
  more: [
    'NAME=VALUE is for settings. A field that holds a secret comes with a JSON object from a file or standard input.',
  ],
  args: [...args, { name: 'FIELD', optional: true, many: true, doc: 'NAME=VALUE, or @FILE.json, or -' }],
  examples: [
    'sally vault put auth/approle/role/app token_policies=app token_ttl=1h',
    'sally vault put auth/userpass/users/ada - < ada.json',
    'sally vault put -f sys/rotate',
  ],
  flags: { force: { type: 'boolean', short: 'f', doc: 'there are no fields to write' } },
  run: async (invocation) => {
    const [path = '', ...words] = invocation.args;
    const [only] = words;
    if (only === undefined && !invocation.on('force')) {
      throw new Fault('invalid', 'cli.usage', 'expected fields, got none', {
        hint: '--force writes without',
      });
    }
    const whole = words.length === 1 && only !== undefined && (only === '-' || only.startsWith('@'));
    const body = whole ? await jsonObject(only) : Object.fromEntries(words.map(fieldOf));
    return show(invocation, { method: 'POST', path, body });
  },
};

export const vaultList: Command = {
  name: ['vault', 'list'],
  summary: "list any path of Vault's API",
  args,
  examples: ['sally vault list auth/approle/role'],
  run: async (invocation) => {
    const call = { method: 'GET', path: invocation.arg(0), query: { list: 'true' } } as const;
    const keys = await withVault(invocation, async (client) => {
      const answer = await client.request(call);
      const found = answer.plain('data', 'keys');
      answer.wipe();
      return Array.isArray(found) ? found.map(String) : [];
    });
    invocation.out.data(keys, () => keys.join('\n'));
    return undefined;
  },
};

export const vaultDelete: Command = {
  name: ['vault', 'delete'],
  summary: "delete any path of Vault's API",
  args,
  examples: ['sally vault delete auth/approle/role/app'],
  run: (invocation) => show(invocation, { method: 'DELETE', path: invocation.arg(0) }),
};

/** `data`, or `auth`, or what there is; with --json the whole answer as it came. */
async function show(invocation: Invocation, call: VaultCall): Promise<undefined> {
  await withVault(invocation, async (client) => {
    const answer = await client.request(call);
    await print(invocation.out, answer);
    answer.wipe();
  });
  return undefined;
}

async function print(out: Printer, answer: Answer): Promise<void> {
  const root = answer.find();
  if (root === undefined || root.members.size === 0) {
    out.data({ done: true }, () => 'done');
    return;
  }
  if (out.json) {
    await out.bytes(answer.raw(root).expose());
    await out.bytes(utf8('\n'));
    return;
  }
  const fields = fieldsOf(
    answer.plain('data') ?? answer.plain('auth') ?? answer.plain('wrap_info') ?? answer.plain(),
  );
  out.data(fields, () => lines(fields));
  for (const warning of [answer.plain('warnings') ?? []].flat()) out.warn(String(warning));
}

function fieldOf(word: string): readonly [string, string] {
  const at = word.indexOf('=');
  const name = word.slice(0, Math.max(0, at));
  if (at < 1)
    throw new Fault(
      'invalid',
      'cli.usage',
      `expected NAME=VALUE, @FILE.json or -, got '${word.slice(0, 80)}'`,
    );
  if (!secretFields.test(name)) return [name, word.slice(at + 1)];
  throw new Fault(
    'invalid',
    'cli.usage',
    `expected ${name} from a file or standard input, got it on the command line`,
    {
      hint: 'every user of this machine can see it there; give a JSON object: @FILE.json or -',
    },
  );
}

function queryOf({ flags }: Invocation): Readonly<Record<string, string>> {
  return Object.fromEntries(
    flags('query').map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new Fault('invalid', 'cli.usage', `expected --query to be NAME=VALUE, got '${text}'`);
      return [text.slice(0, at), text.slice(at + 1)] as const;
    }),
  );
}
