import { Fault } from '@sallyport/formats';
import { nonceSizeBytes, tagSizeBytes } from '../aead.ts';
import type { Entropy } from '../entropy.ts';
import { decryptFailed } from '../faults.ts';
import type { Environment } from './aws-credentials.ts';
import {
  codeOf,
  loadPkcs11,
  type Mechanism,
  type Pkcs11,
  type Pkcs11Module,
  tokenFault,
} from './pkcs11-module.ts';
import { maxBlobBytes, type RemoteKey, sealAad } from './remote-seal.ts';
import { readSecretFile } from './secret-file.ts';

export interface Pkcs11Config {
  readonly kind: 'pkcs11';
  /** Path of the vendor's shared library. It is loaded into the process that holds the keys. */
  readonly library: string;
  readonly tokenLabel: string;
  /** CKA_LABEL of one AES-256 secret key, or of one RSA key pair. */
  readonly keyLabel: string;
  /** `rsa-oaep-sha1` is for tokens that know no other; nothing here depends on SHA-1 resisting collisions. */
  readonly mechanism: 'aes-gcm' | 'rsa-oaep' | 'rsa-oaep-sha1';
  /** Holds the PIN; SALLYPORT_PKCS11_PIN of the environment when absent. */
  readonly pinFile?: string;
}

type Verb = 'encrypt' | 'decrypt';

/** Return values of C_Decrypt that say that the bytes are not what this key gave (PKCS #11 v2.40, section 5.1). */
const wrongBytes = new Set([0x05, 0x20, 0x21, 0x40, 0x41]);
const alreadyInitialized = 0x191;
const alreadyLoggedIn = 0x100;

export function pkcs11Key(
  config: Pkcs11Config,
  { entropy, environment }: { entropy: Entropy; environment: Environment },
): RemoteKey {
  let opened:
    | { readonly constants: Pkcs11Module; readonly token: Pkcs11; readonly first: boolean }
    | undefined;

  async function library(): Promise<NonNullable<typeof opened>> {
    if (opened !== undefined) return opened;
    const constants = await loadPkcs11();
    const token = new constants.PKCS11();
    let first = true;
    try {
      token.load(config.library);
      token.C_Initialize();
    } catch (error) {
      // Another seal of this process has the same library open; who came first finalises it.
      if (codeOf(error) !== alreadyInitialized) throw tokenFault('load', error);
      first = false;
    }
    opened = { constants, token, first };
    return opened;
  }

  async function pin(): Promise<string> {
    if (config.pinFile !== undefined) return readSecretFile(config.pinFile);
    const found = environment['SALLYPORT_PKCS11_PIN'];
    if (found !== undefined) return found;
    throw new Fault(
      'unavailable',
      'keyring.seal_unavailable',
      'expected a PIN for the PKCS#11 token, got none',
    );
  }

  /** A session of its own for each operation: tokens end sessions when they please, and seals are asked rarely. */
  async function inSession<T>(
    work: (token: Pkcs11, session: Buffer, c: Pkcs11Module) => Promise<T>,
  ): Promise<T> {
    const { token, constants } = await library();
    const secret = await pin();
    const session = asked('open a session', () => {
      const slots = token.C_GetSlotList(true).filter((slot) => labelOf(token, slot) === config.tokenLabel);
      const [slot] = slots;
      if (slot === undefined || slots.length > 1) throw notOne('token', config.tokenLabel, slots.length);
      return token.C_OpenSession(slot, constantOf(constants, 'CKF_SERIAL_SESSION'));
    });
    try {
      asked('take the PIN', () => {
        try {
          token.C_Login(session, constantOf(constants, 'CKU_USER'), secret);
        } catch (error) {
          if (codeOf(error) !== alreadyLoggedIn) throw error;
        }
      });
      return await work(token, session, constants);
    } finally {
      token.C_CloseSession(session);
    }
  }

  function keyFor(verb: Verb, token: Pkcs11, session: Buffer, c: Pkcs11Module): Buffer {
    const asymmetric = verb === 'encrypt' ? 'CKO_PUBLIC_KEY' : 'CKO_PRIVATE_KEY';
    const kind = config.mechanism === 'aes-gcm' ? 'CKO_SECRET_KEY' : asymmetric;
    return asked('find the key', () => {
      token.C_FindObjectsInit(session, [
        { type: constantOf(c, 'CKA_CLASS'), value: constantOf(c, kind) },
        { type: constantOf(c, 'CKA_LABEL'), value: config.keyLabel },
      ]);
      const found = token.C_FindObjects(session, 2);
      token.C_FindObjectsFinal(session);
      const [key] = found;
      if (key === undefined || found.length > 1) throw notOne('key', config.keyLabel, found.length);
      return key;
    });
  }

  function mechanismOf(c: Pkcs11Module, iv: Buffer): Mechanism {
    if (config.mechanism === 'aes-gcm') {
      const bits = { ivBits: nonceSizeBytes * 8, tagBits: tagSizeBytes * 8 };
      const parameter = { type: constantOf(c, 'CK_PARAMS_AES_GCM'), iv, aad: Buffer.from(sealAad), ...bits };
      return { mechanism: constantOf(c, 'CKM_AES_GCM'), parameter };
    }
    const [hash, mgf] =
      config.mechanism === 'rsa-oaep' ? ['CKM_SHA256', 'CKG_MGF1_SHA256'] : ['CKM_SHA_1', 'CKG_MGF1_SHA1'];
    const parameter = {
      type: constantOf(c, 'CK_PARAMS_RSA_OAEP'),
      hashAlg: constantOf(c, hash ?? ''),
      mgf: constantOf(c, mgf ?? ''),
      // CKZ_DATA_SPECIFIED with no label, which is the only label that all tokens take.
      source: 1,
    };
    return { mechanism: constantOf(c, 'CKM_RSA_PKCS_OAEP'), parameter };
  }

  const ivSize = config.mechanism === 'aes-gcm' ? nonceSizeBytes : 0;
  return {
    kind: config.kind,
    name: [config.tokenLabel, config.keyLabel, config.mechanism].join('/'),
    encrypt: (plaintext) =>
      inSession(async (token, session, c) => {
        const iv = ivSize === 0 ? Buffer.alloc(0) : Buffer.from(entropy.bytes(ivSize));
        const key = keyFor('encrypt', token, session, c);
        const input = Buffer.from(plaintext);
        try {
          asked('encrypt', () => token.C_EncryptInit(session, mechanismOf(c, iv), key));
          const sealed = await token.C_EncryptAsync(session, input, Buffer.alloc(maxBlobBytes));
          return new Uint8Array(Buffer.concat([iv, sealed]));
        } catch (error) {
          throw error instanceof Fault ? error : tokenFault('encrypt', error);
        } finally {
          input.fill(0);
        }
      }),
    decrypt: (blob) =>
      inSession(async (token, session, c) => {
        if (blob.length <= ivSize) throw decryptFailed();
        const key = keyFor('decrypt', token, session, c);
        const iv = Buffer.from(blob.subarray(0, ivSize));
        const output = Buffer.alloc(maxBlobBytes);
        try {
          asked('decrypt', () => token.C_DecryptInit(session, mechanismOf(c, iv), key));
          return new Uint8Array(
            await token.C_DecryptAsync(session, Buffer.from(blob.subarray(ivSize)), output),
          );
        } catch (error) {
          if (error instanceof Fault) throw error;
          throw wrongBytes.has(codeOf(error)) ? decryptFailed() : tokenFault('decrypt', error);
        } finally {
          output.fill(0);
        }
      }),
    async close() {
      const last = opened;
      opened = undefined;
      if (last?.first === true) last.token.C_Finalize();
      last?.token.close();
    },
  };
}

function asked<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Fault ? error : tokenFault(what, error);
  }
}

/** Labels are padded with blanks to 32 characters. */
function labelOf(token: Pkcs11, slot: Buffer): string {
  return token.C_GetTokenInfo(slot).label.trimEnd();
}

function constantOf(module: Pkcs11Module, name: string): number {
  const value = module[name];
  if (typeof value !== 'number') throw tokenFault(`know ${name}`, undefined);
  return value;
}

function notOne(what: string, label: string, found: number): Fault {
  return new Fault(
    'unavailable',
    'keyring.seal_unavailable',
    `expected one ${what} with the label "${label}", got ${found}`,
  );
}
