import type { VaultClient } from '@sallyport/sdk';
import type { Command } from '../../command.ts';
import { readSecret } from '../../input.ts';
import { dataOf, fieldsOf, lines, tell, textOf, textsOf } from './answers.ts';
import { withVault } from './connect.ts';

export const operatorInit: Command = {
  name: ['vault', 'operator', 'init'],
  summary: 'make the root key of a new server, and print its shares and a root token, once',
  more: [
    'Each share belongs to somebody else; nobody can print them again. Write them to files of their own, not into one.',
  ],
  flags: {
    shares: { type: 'string', value: 'COUNT', doc: 'into how many parts the root key is split, default 5' },
    threshold: { type: 'string', value: 'COUNT', doc: 'how many of them open the server, default 3' },
  },
  examples: ['sally vault operator init', 'sally vault operator init --shares 3 --threshold 2 --json'],
  run: async (invocation) => {
    const shares = invocation.count('shares', 1, 255) ?? 5;
    const threshold = invocation.count('threshold', 1, 255) ?? Math.min(3, shares);
    const made = await withVault(invocation, async (client) => {
      const status = await open(client, 'GET', 'sys/seal-status');
      // A seal that opens itself keeps the key; its shares only prove who may ask for a new root token.
      const names =
        status['recovery_seal'] === true
          ? ['recovery_shares', 'recovery_threshold']
          : ['secret_shares', 'secret_threshold'];
      return await open(client, 'POST', 'sys/init', {
        [names[0] ?? '']: shares,
        [names[1] ?? '']: threshold,
      });
    });
    const keys = textsOf(made['recovery_keys_base64'] ?? made['keys_base64']);
    invocation.out.data(made, () =>
      [
        ...keys.map((key, index) => `share ${index + 1}:     ${key}`),
        `root token:  ${textOf(made['root_token'])}`,
      ].join('\n'),
    );
    invocation.out.note(`none of this is shown again; any ${threshold} of the shares open the server`);
    return undefined;
  },
};

export const operatorUnseal: Command = {
  name: ['vault', 'operator', 'unseal'],
  summary: 'give one share to a sealed server; the share comes from standard input or is asked for',
  flags: { reset: { type: 'boolean', doc: 'forget the shares that were given so far' } },
  examples: ['sally vault operator unseal', 'sally vault operator unseal < my-share.txt'],
  run: async (invocation) => {
    const { out } = invocation;
    const share = invocation.on('reset') ? undefined : await readSecret('share');
    const body = share === undefined ? { reset: true } : { key: share.exposeUtf8().trim() };
    share?.wipe();
    const status = await withVault(invocation, (client) => open(client, 'POST', 'sys/unseal', body));
    out.data(status, () =>
      status['sealed'] === true
        ? `still sealed: ${textOf(status['progress'])} of ${textOf(status['t'])} shares`
        : 'open',
    );
    return undefined;
  },
};

export const operatorSeal: Command = {
  name: ['vault', 'operator', 'seal'],
  summary: 'wipe the keys of the server from memory; shares, or its seal, open it again',
  examples: ['sally vault operator seal'],
  run: async (invocation) => {
    await withVault(invocation, (client) => tell(client, { method: 'POST', path: 'sys/seal', body: {} }));
    invocation.out.data({ sealed: true }, () => 'sealed');
    return undefined;
  },
};

export const operatorRotate: Command = {
  name: ['vault', 'operator', 'rotate'],
  summary: 'encrypt new records under new keys; old records stay readable',
  examples: ['sally vault operator rotate'],
  run: async (invocation) => {
    const status = await withVault(invocation, async (client) => {
      await tell(client, { method: 'POST', path: 'sys/rotate', body: {} });
      return await dataOf(client, { method: 'GET', path: 'sys/key-status' });
    });
    invocation.out.data(status, () => `the key is now version ${textOf(status['term'])}`);
    return undefined;
  },
};

export const operatorKeyStatus: Command = {
  name: ['vault', 'operator', 'key-status'],
  summary: 'say which key new records are encrypted under, and how often it was used',
  examples: ['sally vault operator key-status'],
  run: async (invocation) => {
    const call = { method: 'GET', path: 'sys/key-status' } as const;
    const status = await withVault(invocation, (client) => dataOf(client, call));
    invocation.out.data(status, () => lines(status));
    return undefined;
  },
};

async function open(
  client: VaultClient,
  method: 'GET' | 'POST',
  path: string,
  body?: Readonly<Record<string, unknown>>,
) {
  const answer = await client.openRequest({ method, path, body });
  const fields = fieldsOf(answer.plain());
  answer.wipe();
  return fields;
}
