import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** An SSH ed25519 key that signs commits, made in memory, so that the demo needs no ssh-keygen and leaves no key. */
export interface SshKey {
  /** One line as it stands in `allowed_signers` and `.pub` files. */
  readonly publicLine: string;
  /** An armoured SSHSIG over `message` in the namespace `git` (openssh PROTOCOL.sshsig). */
  sign(message: Uint8Array): string;
}

export function createSshKey(): SshKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([text('ssh-ed25519'), string(rawPublicKey(publicKey))]);
  return {
    publicLine: `ssh-ed25519 ${blob.toString('base64')}`,
    sign: (message) => armour(signatureBlob(blob, privateKey, message)),
  };
}

function signatureBlob(publicBlob: Buffer, privateKey: KeyObject, message: Uint8Array): Buffer {
  const hash = createHash('sha512').update(message).digest();
  const signed = Buffer.concat([Buffer.from('SSHSIG'), text('git'), text(''), text('sha512'), string(hash)]);
  const signature = Buffer.concat([text('ssh-ed25519'), string(sign(null, signed, privateKey))]);
  return Buffer.concat([
    Buffer.from('SSHSIG'),
    Buffer.from([0, 0, 0, 1]),
    string(publicBlob),
    text('git'),
    text(''),
    text('sha512'),
    string(signature),
  ]);
}

function armour(blob: Buffer): string {
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----'].join('\n');
}

/** The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key itself (RFC 8410 section 4). */
function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}

function string(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const text = (value: string): Buffer => string(Buffer.from(value));
