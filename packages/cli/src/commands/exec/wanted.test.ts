import { SecretBytes } from '@sallyport/formats';
import type { VaultClient, VaultSecret } from '@sallyport/sdk';
import { describe, expect, it } from 'vitest';
import { childEnvironment, parseWanted, readWanted } from './wanted.ts';

/** Only what reading needs of a client. */
function clientWith(
  secrets: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Pick<VaultClient, 'read'> {
  const read = async (path: string): Promise<VaultSecret> => {
    const data = Object.entries(secrets[path] ?? {}).map(
      ([key, value]) => [key, SecretBytes.fromUtf8(value)] as const,
    );
    const json = SecretBytes.fromUtf8('{}');
    return { version: 1, data: Object.fromEntries(data), json, stale: false, wipe: () => undefined };
  };
  return { read };
}

describe('what a program asks for', () => {
  it('is a variable, a path and a key', () => {
    expect(parseWanted('DB_URL=secret/app/db#url')).toEqual({
      kind: 'one',
      variable: 'DB_URL',
      path: 'secret/app/db',
      key: 'url',
    });
    expect(parseWanted('A=secret/app#a#b')).toMatchObject({ path: 'secret/app', key: 'a#b' });
  });

  it.each([
    '',
    'A',
    'A=',
    'A=secret/app',
    'A=#key',
    '=secret/app#a',
    '1A=secret/app#a',
    'A B=secret/app#a',
    'A=secret/app#',
  ])('%j is refused', (text) => {
    expect(() => parseWanted(text)).toThrowError(expect.objectContaining({ code: 'cli.usage' }));
  });
});

describe('the variables', () => {
  it('are the values that were named, and all of a path', async () => {
    const client = clientWith({ 'secret/a': { url: 'x', other: 'y' }, 'secret/b': { B_1: 'z' } });

    expect(
      await readWanted(client, [
        { kind: 'one', variable: 'URL', path: 'secret/a', key: 'url' },
        { kind: 'all', path: 'secret/b' },
      ]),
    ).toEqual({ URL: 'x', B_1: 'z' });
  });

  it.each([
    'LD_PRELOAD',
    'NODE_OPTIONS',
    'PATH',
    'BASH_ENV',
    'PYTHONPATH',
    'GIT_SSH_COMMAND',
    'https_proxy',
    'DYLD_INSERT_LIBRARIES',
  ])('of a whole path may not be %s, unless it is named', async (name) => {
    const client = clientWith({ 'secret/a': { [name]: 'x' } });

    await expect(readWanted(client, [{ kind: 'all', path: 'secret/a' }])).rejects.toMatchObject({
      code: 'cli.loader',
    });
    expect(await readWanted(client, [{ kind: 'one', variable: name, path: 'secret/a', key: name }])).toEqual({
      [name]: 'x',
    });
  });

  it.each([
    ['a name that is none of a variable', { 'a-b': 'x' }, 'cli.variable'],
    ['a NUL', { A: 'x\u0000y' }, 'cli.variable'],
  ])('may not have %s', async (_what, values, code) => {
    await expect(readWanted(clientWith({ a: values }), [{ kind: 'all', path: 'a' }])).rejects.toMatchObject({
      code,
    });
  });

  it('may not come from two places', async () => {
    const client = clientWith({ a: { A: '1' }, b: { A: '2' } });

    await expect(
      readWanted(client, [
        { kind: 'all', path: 'a' },
        { kind: 'all', path: 'b' },
      ]),
    ).rejects.toMatchObject({ code: 'cli.twice' });
  });

  it('are given without what signs in', () => {
    const own = {
      HOME: '/h',
      VAULT_TOKEN: 't',
      SALLYPORT_TOKEN: 't',
      SALLYPORT_VAULT_ROLE_ID: 'r',
      VAULT_ADDR: 'a',
    };

    expect(childEnvironment(own, { A: 'b', HOME: '/other' })).toEqual({
      HOME: '/other',
      VAULT_ADDR: 'a',
      A: 'b',
    });
  });
});
