import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../test-support/fakes.ts';
import { fileSeal } from './file-seal.ts';

let directory: string;
let path: string;
const root = SecretBytes.from(new Uint8Array(32).map((_, i) => i));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-seal-'));
  path = join(directory, 'keys', 'root.key');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the file seal', () => {
  it('makes a key file of mode 0600 on the first wrap, and opens what it sealed', async () => {
    const sealed = await fileSeal(path, seededRandom()).wrap(root);

    const found = await stat(path);
    expect(found.mode & 0o777).toBe(0o600);
    expect(found.size).toBe(32);
    expect(await readdir(join(directory, 'keys'))).toEqual(['root.key']);
    expect((await fileSeal(path, seededRandom(2)).unwrap(sealed)).equals(root)).toBe(true);
  });

  it('keeps the key it finds, so that a crash after making it costs nothing', async () => {
    const first = await fileSeal(path, seededRandom(1)).wrap(root);
    const key = await readFile(path);

    const second = await fileSeal(path, seededRandom(2)).wrap(root);

    expect(await readFile(path)).toEqual(key);
    const seal = fileSeal(path, seededRandom(3));
    expect((await seal.unwrap(first)).equals(root)).toBe(true);
    expect((await seal.unwrap(second)).equals(root)).toBe(true);
  });

  it('lets processes that start together agree on one key', async () => {
    const seals = [1, 2, 3, 4, 5, 6].map((seed) => fileSeal(path, seededRandom(seed)));

    const sealed = await Promise.all(seals.map((seal) => seal.wrap(root)));

    for (const one of sealed)
      expect((await fileSeal(path, seededRandom()).unwrap(one)).equals(root)).toBe(true);
    expect(await readdir(join(directory, 'keys'))).toEqual(['root.key']);
  });

  it('refuses to open when the key file is missing, and makes none', async () => {
    const sealed = await fileSeal(path, seededRandom()).wrap(root);
    await rm(path);

    await expect(fileSeal(path, seededRandom()).unwrap(sealed)).rejects.toMatchObject({
      code: 'keyring.seal_unavailable',
    });
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([0o640, 0o604, 0o660, 0o610, 0o601, 0o644, 0o777])(
    'refuses a key file that others may touch (mode %o), for reading and for sealing',
    async (mode) => {
      const sealed = await fileSeal(path, seededRandom()).wrap(root);
      await chmod(path, mode);

      const seal = fileSeal(path, seededRandom());

      await expect(seal.unwrap(sealed)).rejects.toMatchObject({ code: 'keyring.seal_unsafe' });
      await expect(seal.wrap(root)).rejects.toMatchObject({ code: 'keyring.seal_unsafe' });
    },
  );

  it.each([0, 1, 31, 33, 4096])('refuses a key file of %i bytes', async (sizeBytes) => {
    const sealed = await fileSeal(path, seededRandom()).wrap(root);
    await writeFile(path, new Uint8Array(sizeBytes));

    await expect(fileSeal(path, seededRandom()).unwrap(sealed)).rejects.toMatchObject({
      code: 'keyring.seal_unsafe',
    });
  });

  it('refuses a symbolic link and a directory in place of the key file', async () => {
    const sealed = await fileSeal(path, seededRandom()).wrap(root);
    const link = join(directory, 'link.key');
    await symlink(path, link);

    await expect(fileSeal(link, seededRandom()).unwrap(sealed)).rejects.toMatchObject({
      code: 'keyring.seal_unsafe',
    });
    await expect(fileSeal(join(directory, 'keys'), seededRandom()).unwrap(sealed)).rejects.toMatchObject({
      code: 'keyring.seal_unsafe',
    });
  });

  it.runIf(process.getuid?.() === 0)('refuses a key file of another user', async () => {
    const sealed = await fileSeal(path, seededRandom()).wrap(root);
    const { chown } = await import('node:fs/promises');
    await chown(path, 12345, 12345);

    await expect(fileSeal(path, seededRandom()).unwrap(sealed)).rejects.toMatchObject({
      code: 'keyring.seal_unsafe',
    });
  });

  it('refuses every truncation and every flipped bit of the sealed root', async () => {
    const seal = fileSeal(path, seededRandom());
    const sealed = await seal.wrap(root);

    for (let size = 0; size < sealed.length; size += 1) {
      await expect(seal.unwrap(sealed.slice(0, size))).rejects.toMatchObject({
        code: 'keyring.decrypt_failed',
      });
    }
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await expect(seal.unwrap(changed)).rejects.toMatchObject({ code: 'keyring.decrypt_failed' });
    }
  });
});
