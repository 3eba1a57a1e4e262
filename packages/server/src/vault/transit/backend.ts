import type { Random } from '#platform';
import type { Backend, Call, FieldDoc, PathSpec } from '../backend.ts';
import { carryPaths } from './carry-paths.ts';
import { createEngine, replyOf } from './engine.ts';
import { keyPaths, listKeys } from './key-paths.ts';
import { createRotation, type Rotation } from './rotation.ts';
import { hasKey } from './stored-keys.ts';
import { hashRequest, randomRequest } from './tools.ts';
import { usePaths } from './use-paths.ts';

/** The transit engine of a server: one for all its mounts. */
export interface Transit {
  readonly backend: Backend;
  /** Rotates keys whose period is over. */
  readonly rotation: Rotation;
  /** Forgets all key material in memory: when the server is sealed. */
  wipe(): void;
  /** Ends the thread of private keys. */
  close(): Promise<void>;
}

const text = (doc: string): FieldDoc => ({ type: 'string', doc });
const flag = (doc: string): FieldDoc => ({ type: 'boolean', doc });
const number = (doc: string): FieldDoc => ({ type: 'integer', doc });

const batch: FieldDoc = { type: 'list', doc: 'Items with fields of their own, answered in order.' };
const context = text('Base64; from which a derived key is derived.');
const version = number('Version of the key; 0 is the latest.');
const input = text('Base64.');
const hash = text('sha1, sha2-256, sha3-256 and so on; sha2-256 when absent.');
const associated = text('Base64; must be the same when decrypting.');
const keyFlags = {
  exportable: flag('Whether private parts can be exported; never switched off again.'),
  allow_plaintext_backup: flag('Whether backups can be made; never switched off again.'),
  auto_rotate_period: {
    type: 'duration',
    doc: 'Rotates by itself after this time; at least an hour, 0 never.',
  },
} as const;
const sealing = { context, associated_data: associated, key_version: version, batch_input: batch };
const signing = {
  input,
  context,
  hash_algorithm: hash,
  prehashed: flag('Whether the input is a digest.'),
  signature_algorithm: text('pss or pkcs1v15, for RSA.'),
  marshaling_algorithm: text('asn1 or jws.'),
  salt_length: text('auto, hash or bytes, for PSS.'),
  batch_input: batch,
};
const wrapped = {
  ciphertext: text('Base64: an AES key under wrapping_key (RSA-OAEP), and the key under that (AES-KWP).'),
  hash_function: text('Of RSA-OAEP; SHA256 when absent.'),
  public_key: text('PEM, instead of ciphertext.'),
};

export function createTransit(random: Random): Transit {
  const engine = createEngine(random);
  const keys = keyPaths(engine);
  const use = usePaths(engine);
  const carry = carryPaths(engine);
  const exists = (call: Call): boolean => hasKey(call.store, call.params['name'] ?? '');

  /** With the hash in the path or in the body. */
  const withHash = (spec: PathSpec): PathSpec[] => [spec, { ...spec, pattern: `${spec.pattern}/:hash` }];

  const paths: PathSpec[] = [
    { pattern: 'keys', synopsis: 'Lists keys.', on: { list: listKeys } },
    {
      pattern: 'keys/:name',
      synopsis: 'A named key.',
      fields: {
        type: text('aes256-gcm96, chacha20-poly1305, ed25519, ecdsa-p256, rsa-2048, hmac and so on.'),
        derived: flag('Whether every use needs a context.'),
        convergent_encryption: flag('Whether equal plaintexts give equal ciphertexts.'),
        key_size: number('Bytes, for hmac.'),
        ...keyFlags,
      },
      on: { read: keys.read, update: keys.create, delete: keys.remove },
    },
    {
      pattern: 'keys/:name/config',
      synopsis: 'Which versions may be used, and what may be done with the key.',
      fields: {
        min_decryption_version: number('Oldest version that decrypts and verifies.'),
        min_encryption_version: number('Oldest version that may be asked for to encrypt and sign.'),
        deletion_allowed: flag('Whether the key can be deleted.'),
        ...keyFlags,
      },
      on: { update: keys.configure },
    },
    { pattern: 'keys/:name/rotate', synopsis: 'Makes a new version.', on: { update: keys.rotate } },
    {
      pattern: 'keys/:name/trim',
      synopsis: 'Forgets old versions for good.',
      fields: { min_available_version: number('The oldest version to keep.') },
      on: { update: keys.trim },
    },
    {
      pattern: 'keys/:name/import',
      synopsis: 'A key with material that is brought along.',
      fields: {
        ...wrapped,
        type: text('As for a new key.'),
        allow_rotation: flag('Whether it can be rotated here.'),
      },
      on: { update: carry.importKey },
    },
    {
      pattern: 'keys/:name/import_version',
      synopsis: 'A version with material that is brought along.',
      fields: { ...wrapped, version: number('The version whose private part comes.') },
      on: { update: carry.importKeyVersion },
    },
    {
      pattern: 'wrapping_key',
      synopsis: 'The public key to wrap brought keys with.',
      on: { read: carry.wrappingKey },
    },
    {
      pattern: 'encrypt/:name',
      synopsis: 'Encrypts, and makes the key if there is none.',
      fields: { plaintext: input, ...sealing },
      exists,
      on: { create: use.encryptWithNew, update: use.encrypt },
    },
    {
      pattern: 'decrypt/:name',
      synopsis: 'Decrypts.',
      fields: { ciphertext: text('What encrypt gave.'), ...sealing },
      on: { update: use.decrypt },
    },
    {
      pattern: 'rewrap/:name',
      synopsis: 'Moves a ciphertext to the latest version.',
      fields: { ciphertext: text('What encrypt gave.'), ...sealing },
      on: { update: use.rewrap },
    },
    {
      pattern: 'datakey/:form/:name',
      synopsis: 'A new key, encrypted under this one; `plaintext` shows it, `wrapped` does not.',
      fields: {
        bits: number('128, 256 or 512.'),
        context,
        associated_data: associated,
        key_version: version,
      },
      on: { update: use.datakey },
    },
    ...withHash({
      pattern: 'sign/:name',
      synopsis: 'Signs.',
      fields: { ...signing, key_version: version },
      on: { update: use.sign },
    }),
    ...withHash({
      pattern: 'verify/:name',
      synopsis: 'Verifies a signature or an HMAC.',
      fields: { ...signing, signature: text('What sign gave.'), hmac: text('What hmac gave.') },
      on: { update: use.verify },
    }),
    ...withHash({
      pattern: 'hmac/:name',
      synopsis: 'An HMAC.',
      fields: { input, algorithm: hash, key_version: version, batch_input: batch },
      on: { update: use.hmac },
    }),
    {
      pattern: 'random/:rest*',
      synopsis: 'Random bytes: `random[/source][/bytes]`.',
      fields: { bytes: number('How many; 32 when absent.'), format: text('base64 or hex.') },
      on: {
        update: ({ request, params }) =>
          replyOf(randomRequest(random, request.body, (params['rest'] ?? '').split('/').filter(Boolean))),
      },
    },
    {
      pattern: 'hash/:hash*',
      synopsis: 'A hash.',
      fields: { input, algorithm: hash, format: text('hex or base64.') },
      on: { update: ({ request, params }) => replyOf(hashRequest(request.body, params['hash'])) },
    },
    { pattern: 'export/:type/:name', synopsis: 'All versions of a key.', on: { read: carry.exportKey } },
    {
      pattern: 'export/:type/:name/:version',
      synopsis: 'One version of a key.',
      on: { read: carry.exportKey },
    },
    { pattern: 'backup/:name', synopsis: 'A key in clear, with all versions.', on: { read: carry.backup } },
    {
      pattern: 'restore',
      synopsis: 'Brings a backup back.',
      fields: { backup: text('What backup gave.'), force: flag('Whether a key of that name is replaced.') },
      on: { update: carry.restore },
    },
    {
      pattern: 'restore/:name',
      synopsis: 'Brings a backup back under a name.',
      on: { update: carry.restore },
    },
  ];

  return {
    backend: { type: 'transit', description: 'Encrypts, signs and hashes with keys that stay here.', paths },
    rotation: createRotation(engine),
    wipe: () => engine.cache.wipe(),
    close: () => engine.thread.close(),
  };
}
