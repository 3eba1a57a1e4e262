import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { Fault } from '@sallyport/formats';
import { readNamed } from '../../input.ts';
import { writeNewPrivately } from '../../private-file.ts';

/** A key of root, in a file of its owner: PKCS #8 in PEM, ECDSA P-256. The server never has it. */
export interface RootKey {
  readonly file: string;
  readonly publicKeySpki: Uint8Array;
  readonly made: boolean;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Reads the key in `file`. Throws Fault `cli.root_key` for another kind of key, or one that others can read. */
export function readRootKey(file: string): RootKey {
  const pem = readNamed(file);
  // A key that others on the machine can read may have been read.
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
    throw new Fault('invalid', 'cli.root_key', `expected ${file} to be readable by you only`, {
      hint: `chmod 600 ${file}; if others could read it for a while, replace it with sally trust rotate`,
    });
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw notAKey(file, cause);
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw notAKey(file);
  return rootKeyOf(file, key, false);
}

/** The key in `file`, made now if there is no such file. */
export function readOrMakeRootKey(file: string): RootKey {
  if (existsSync(file)) return readRootKey(file);
  const written = writeNewPrivately(file);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  written.finish(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
  return rootKeyOf(file, privateKey, true);
}

function rootKeyOf(file: string, key: KeyObject, made: boolean): RootKey {
  return {
    file,
    made,
    publicKeySpki: new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })),
    sign: (bytes) => new Uint8Array(sign('sha256', bytes, key)),
  };
}

function notAKey(file: string, cause?: unknown): Fault {
  return new Fault(
    'invalid',
    'cli.root_key',
    `expected an ECDSA P-256 private key in PEM in ${file}, got something else`,
    cause === undefined ? {} : { cause },
  );
}
