import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault, SecretBytes, toHex } from '@sallyport/formats';
import type { Random } from '#platform';
import { associatedData, keySizeBytes, nonceSizeBytes, unwrapKey, wrapKey } from './aead.ts';
import { createEntropy, type Entropy } from './entropy.ts';
import { decryptFailed } from './faults.ts';
import type { Seal } from './seal.ts';

/**
 * Seals the root key with 32 random bytes in a file of mode 0600. The file is created by the first `wrap`, whole or
 * not at all, and is refused when anyone but its owner could have read it, when the owner is not this process's user,
 * or when it is not exactly 32 bytes of a regular file.
 */
export function fileSeal(path: string, random: Random): Seal {
  const aad = associatedData('seal/file');
  const entropy = createEntropy(random);
  return {
    kind: 'file',
    async wrap(root) {
      const key = (await readKey(path)) ?? (await createKey(path, entropy));
      try {
        return wrapKey(key, entropy.bytes(nonceSizeBytes), aad, root.expose());
      } finally {
        key.fill(0);
      }
    },
    async unwrap(sealed) {
      const key = await readKey(path);
      if (key === undefined) throw missing(path);
      const root = unwrapKey(key, aad, sealed);
      key.fill(0);
      if (root === undefined) throw decryptFailed();
      const secret = SecretBytes.from(root);
      root.fill(0);
      return secret;
    },
  };
}

/** The key, or `undefined` when there is no file at all. */
async function readKey(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    // O_NOFOLLOW: a link could lead to a file that another user may replace. Checks go to the open file, not the path.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    if (hasCode(cause, 'ELOOP')) throw unsafe(path, 'a symbolic link');
    throw new Fault('unavailable', 'keyring.seal_unavailable', `cannot open the key file "${path}"`, {
      cause,
    });
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw unsafe(path, 'something else');
    if ((stat.mode & 0o077) !== 0) throw unsafe(path, `mode 0${(stat.mode & 0o777).toString(8)}`);
    const user = process.getuid?.();
    if (user !== undefined && stat.uid !== user) throw unsafe(path, `an owner with user id ${stat.uid}`);
    if (stat.size !== keySizeBytes) throw unsafe(path, `${stat.size} bytes`);
    const key = new Uint8Array(keySizeBytes);
    const { bytesRead } = await file.read(key, 0, keySizeBytes, 0);
    if (bytesRead !== keySizeBytes) throw unsafe(path, `${bytesRead} bytes`);
    return key;
  } finally {
    await file.close();
  }
}

/**
 * Writes a key file, or reads the one that another process made first. The bytes go to a file of their own
 * (O_EXCL, mode 0600, synced) that is then linked to the final name: linking fails when the name exists, so no key is
 * ever replaced, and a crash before it leaves a stray temporary file and no half-written key.
 */
async function createKey(path: string, entropy: Entropy): Promise<Uint8Array> {
  const key = entropy.bytes(keySizeBytes);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${toHex(entropy.bytes(nonceSizeBytes))}.new`;
  const file = await open(draft, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    // The umask can only have taken bits away; chmod makes the mode what the reader expects.
    await file.chmod(0o600);
    await file.writeFile(key);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (cause) {
    if (!hasCode(cause, 'EEXIST')) throw cause;
    const theirs = await readKey(path);
    if (theirs === undefined) throw missing(path);
    key.fill(0);
    return theirs;
  } finally {
    await unlink(draft);
  }
  await syncDirectory(dirname(path));
  return key;
}

/** Makes the new name durable: without it a power loss after the root was sealed could lose the only key to it. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function unsafe(path: string, got: string): Fault {
  return new Fault(
    'precondition',
    'keyring.seal_unsafe',
    `expected "${path}" to be a regular file of ${keySizeBytes} bytes, mode 0600, owned by this user, got ${got}`,
    {
      hint: 'if others could read it, treat the key as known: restore the file, chmod 600 it and rotate the root key',
    },
  );
}

function missing(path: string): Fault {
  return new Fault(
    'unavailable',
    'keyring.seal_unavailable',
    `expected the key file "${path}" that seals this database's root key, got no file`,
    { hint: 'restore it from its backup; without it nothing that was encrypted can be read' },
  );
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
