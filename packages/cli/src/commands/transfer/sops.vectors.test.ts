import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ageDecrypt, parseIdentities } from './age.ts';
import { readSopsFile } from './sops-file.ts';
import { jsonOfTree, openSops } from './sops-tree.ts';

/** Files that the program sops made: vectors/sops/README.md. */
const vectors = fileURLToPath(new URL('./vectors/sops/', import.meta.url));
const read = (name: string): Buffer => readFileSync(vectors + name);

async function open(bytes: Uint8Array, identity = 'identity.txt'): Promise<unknown> {
  const file = readSopsFile(bytes);
  if (file === undefined) return undefined;
  const identities = parseIdentities(read(identity));
  const keys = await Promise.allSettled(
    file.age.map((sealed) => ageDecrypt(Buffer.from(sealed), { identities })),
  );
  const key = keys.find((each) => each.status === 'fulfilled');
  if (key === undefined) throw new Error('no key opens it');
  return JSON.parse(jsonOfTree(openSops(file.root, file.rules, key.value)).toString('utf8'));
}

const files = ['both-recipients.json', 'mac-only-encrypted.json', 'encrypted-suffix.json', 'variables.env'];
const only = ['regex.json', 'document.yaml'];

describe('a file of sops', () => {
  it('is known to these tests', () => {
    const known = [...files, ...only, ...files.map((name) => name.replace(/[.][a-z]+$/, '.plain.json'))];

    expect(readdirSync(vectors).sort()).toEqual(
      [...known, 'README.md', 'identity.txt', 'other-identity.txt'].sort(),
    );
  });

  it.each(files)('%s says what sops says', async (name) => {
    const expected: unknown = JSON.parse(read(name.replace(/[.][a-z]+$/, '.plain.json')).toString('utf8'));

    expect(await open(read(name))).toEqual(expected);
  });

  it('keeps the order of its names', async () => {
    const file = readSopsFile(read('both-recipients.json'));

    expect(file?.root.kind === 'map' && file.root.entries.map(([name]) => name).slice(0, 3)).toEqual([
      '9',
      '1',
      'text',
    ]);
  });

  it('is opened by each of its recipients, and by nobody else', async () => {
    expect(await open(read('both-recipients.json'), 'other-identity.txt')).toMatchObject({ integer: 42 });
    await expect(open(read('variables.env'), 'other-identity.txt')).rejects.toThrow('no key opens it');
  });

  it.each(only)('%s is left to sops', (name) => {
    expect(readSopsFile(read(name))).toBeUndefined();
  });
});

const text = (name: string): string => read(name).toString('utf8');

/** What somebody with write access to the repository, and without the key, could do. */
const attacks: ReadonlyArray<readonly [string, string, (file: string) => string]> = [
  [
    'a value changed',
    'both-recipients.json',
    (file) => file.replace(/data:(.)/, (_all, first) => `data:${first === 'A' ? 'B' : 'A'}`),
  ],
  ['a value moved to another name', 'both-recipients.json', (file) => file.replace('"text":', '"other":')],
  [
    'two values swapped',
    'variables.env',
    (file) => {
      const [, url = '', multi = ''] = /^URL=(.*)\nMULTI=(.*)$/m.exec(file) ?? [];
      return file.replace(url, '?').replace(multi, url).replace('?', multi);
    },
  ],
  ['a value left out', 'variables.env', (file) => file.replace(/^URL=.*\n/m, '')],
  ['a plain value changed', 'both-recipients.json', (file) => file.replace('not secret', 'Not secret')],
  ['a plain number changed', 'both-recipients.json', (file) => file.replace('2.5e-7', '2.6e-7')],
  [
    'a plain text added',
    'both-recipients.json',
    (file) => file.replace('"flag": true', '"flag": true, "more": "x"'),
  ],
  ['two entries of a list swapped', 'both-recipients.json', swapList],
  [
    'a value in place of a secret',
    'both-recipients.json',
    (file) => file.replace(/"text": "[^"]*"/, '"text": "hello"'),
  ],
  ['a secret made empty', 'both-recipients.json', (file) => file.replace(/"text": "[^"]*"/, '"text": ""')],
  ['another time', 'variables.env', (file) => file.replace(/lastmodified=2026/, 'lastmodified=2027')],
  ['another rule', 'both-recipients.json', (file) => file.replace('"_unencrypted"', '"_none"')],
  [
    'the MAC of all values taken for one of some',
    'both-recipients.json',
    (file) => file.replace('"version":', '"mac_only_encrypted": "true", "version":'),
  ],
  [
    'the MAC of some values taken for one of all',
    'mac-only-encrypted.json',
    (file) => file.replace('"mac_only_encrypted": true', '"mac_only_encrypted": false'),
  ],
  ['a short tag', 'variables.env', (file) => file.replace(/^(URL=.*tag:.{8})[^,]*/m, '$1')],
  ['another type', 'variables.env', (file) => file.replace('type:str]\nMULTI', 'type:int]\nMULTI')],
];

function swapList(file: string): string {
  const [, first = '', second = ''] = /"list": \[\s*("ENC[^"]*"),\s*("ENC[^"]*")/.exec(file) ?? [];
  return file.replace(first, '?').replace(second, first).replace('?', second);
}

describe('a file that was changed without the key', () => {
  it.each(attacks)('(%s) is refused as a whole', async (_what, name, change) => {
    const changed = change(text(name));

    expect(changed).not.toBe(text(name));
    await expect(open(Buffer.from(changed))).rejects.toMatchObject({ kind: 'integrity', code: 'cli.sops' });
  });

  it.each([
    ['without a MAC', (file: string) => file.replace(/"mac": "[^"]*"/, '"mac": ""')],
    ['without a time', (file: string) => file.replace(/"lastmodified": "[^"]*"/, '"lastmodified": ""')],
    ['without sops', () => '{"a":"b"}'],
    ['with a name twice', (file: string) => file.replace('"empty":', '"text":')],
    ['cut off', (file: string) => file.slice(0, -10)],
  ])('(%s) is no file of sops', async (_what, change) => {
    await expect(open(Buffer.from(change(text('both-recipients.json'))))).rejects.toThrow();
  });
});

describe('an identity file', () => {
  it.each([
    '',
    '# only a remark',
    'AGE-PLUGIN-X-1ABC',
    'ssh-ed25519 AAAA',
    'age1abc',
    'AGE-SECRET-KEY-1\nrest',
  ])('with %j is refused', (content) => {
    expect(() => parseIdentities(Buffer.from(content))).toThrowError(
      expect.objectContaining({ code: 'cli.identity' }),
    );
  });
});
