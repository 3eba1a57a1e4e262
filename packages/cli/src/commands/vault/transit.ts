import { Fault, utf8 } from '@sallyport/formats';
import type { VaultCall } from '@sallyport/sdk';
import type { Command, Flag, Invocation } from '../../command.ts';
import { textOf } from './answers.ts';
import { withVault } from './connect.ts';
import { readFile } from './values.ts';

const args = [
  { name: 'KEY', doc: 'the name of the key' },
  { name: 'FILE', optional: true, doc: 'what to work on; default standard input' },
];

const mountFlag: Readonly<Record<string, Flag>> = {
  mount: { type: 'string', value: 'PATH', doc: 'where transit is mounted, default transit' },
};

const mostBytes = 32 * 1024 * 1024;

/** Base64 of a file, as transit takes every input. */
function input({ args: words }: Invocation): string {
  const bytes = readFile(words[1] ?? '-', mostBytes);
  const text = bytes.toString('base64');
  bytes.fill(0);
  return text;
}

async function ask(
  invocation: Invocation,
  what: string,
  body: VaultCall['body'],
  field: string,
): Promise<string> {
  const path = `${invocation.flag('mount') ?? 'transit'}/${what}/${invocation.arg(0)}`;
  return await withVault(invocation, async (client) => {
    const answer = await client.request({ method: 'POST', path, body });
    const value = textOf(answer.plain('data', field));
    answer.wipe();
    return value;
  });
}

export const transitEncrypt: Command = {
  name: ['transit', 'encrypt'],
  summary: 'encrypt a file with a key that stays on the server',
  args,
  flags: mountFlag,
  examples: ['sally transit encrypt backups dump.sql > dump.sql.enc'],
  run: async (invocation) => {
    const ciphertext = await ask(invocation, 'encrypt', { plaintext: input(invocation) }, 'ciphertext');
    invocation.out.data({ ciphertext }, () => ciphertext);
    return undefined;
  },
};

export const transitDecrypt: Command = {
  name: ['transit', 'decrypt'],
  summary: 'decrypt what transit encrypt gave, byte for byte',
  args,
  flags: mountFlag,
  examples: ['sally transit decrypt backups dump.sql.enc > dump.sql'],
  run: async (invocation) => {
    const { out, args: words } = invocation;
    const ciphertext = readFile(words[1] ?? '-', 2 * mostBytes)
      .toString('utf8')
      .trim();
    const plaintext = await ask(invocation, 'decrypt', { ciphertext }, 'plaintext');
    if (out.json) out.data({ plaintext }, () => '');
    else await out.bytes(Buffer.from(plaintext, 'base64'));
    return undefined;
  },
};

export const transitSign: Command = {
  name: ['transit', 'sign'],
  summary: 'sign a file with a key that stays on the server',
  args,
  flags: mountFlag,
  examples: ['sally transit sign releases dist.tar > dist.tar.sig'],
  run: async (invocation) => {
    const signature = await ask(invocation, 'sign', { input: input(invocation) }, 'signature');
    if (invocation.out.json) invocation.out.data({ signature }, () => '');
    else await invocation.out.bytes(utf8(`${signature}\n`));
    return undefined;
  },
};

export const transitVerify: Command = {
  name: ['transit', 'verify'],
  summary: 'check a signature of transit sign; exit code 6 when it is none of that key on that file',
  args,
  flags: { ...mountFlag, signature: { type: 'string', value: 'FILE', doc: 'the signature' } },
  examples: ['sally transit verify releases dist.tar --signature dist.tar.sig'],
  run: async (invocation) => {
    const file = invocation.flag('signature');
    if (file === undefined) throw new Fault('invalid', 'cli.usage', 'expected --signature FILE, got nothing');
    const signature = readFile(file).toString('utf8').trim();
    const valid = await ask(invocation, 'verify', { input: input(invocation), signature }, 'valid');
    if (valid !== 'true') {
      throw new Fault(
        'integrity',
        'cli.signature',
        `expected a signature of ${invocation.arg(0)}, it is none`,
      );
    }
    invocation.out.data({ valid: true }, () => 'valid');
    return undefined;
  },
};
