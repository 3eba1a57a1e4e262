import { Fault, SecretBytes } from '@sallyport/formats';

/** What opens a file that was encrypted with age: identities (`AGE-SECRET-KEY-1…`), or a passphrase. */
export type AgeKeys = { readonly identities: readonly SecretBytes[] } | { readonly passphrase: SecretBytes };

export type AgeReaders = { readonly recipients: readonly string[] } | { readonly passphrase: SecretBytes };

/** Loaded when it is needed: it brings elliptic curves and post-quantum algorithms that no other command uses. */
const load = () => import('age-encryption');

/** The identities of a key file as age-keygen writes it. Throws Fault `cli.identity`. */
export function parseIdentities(file: Uint8Array): readonly SecretBytes[] {
  const lines = Buffer.from(file)
    .toString('latin1')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const known =
    lines.length > 0 &&
    lines.length <= 100 &&
    lines.every((line) => /^AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]+$/.test(line));
  if (known) return lines.map((line) => SecretBytes.fromUtf8(line));
  throw new Fault(
    'invalid',
    'cli.identity',
    'expected lines with AGE-SECRET-KEY-1…, as age-keygen writes them',
    {
      hint: 'identities of plug-ins, SSH keys and encrypted identity files are not read',
    },
  );
}

/** Encrypts with age (https://age-encryption.org/v1). */
export async function ageEncrypt(plain: Uint8Array, readers: AgeReaders): Promise<Uint8Array> {
  const { Encrypter } = await load();
  const encrypter = new Encrypter();
  try {
    if ('passphrase' in readers) encrypter.setPassphrase(readers.passphrase.exposeUtf8());
    else for (const recipient of readers.recipients) encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new Fault('invalid', 'cli.recipient', 'expected recipients such as age1…, got something else', {
      cause,
    });
  }
  return await encrypter.encrypt(plain);
}

/** Opens what age encrypted, armoured or not. Which check failed is not told. Throws Fault `cli.age`. */
export async function ageDecrypt(file: Uint8Array, keys: AgeKeys): Promise<Buffer> {
  const { Decrypter, armor } = await load();
  const decrypter = new Decrypter();
  try {
    if ('passphrase' in keys) decrypter.addPassphrase(keys.passphrase.exposeUtf8());
    else for (const identity of keys.identities) decrypter.addIdentity(identity.exposeUtf8());
    const armoured = Buffer.from(file.subarray(0, 5)).toString('latin1') === '-----';
    const bytes = armoured ? armor.decode(Buffer.from(file).toString('latin1')) : file;
    const plain = await decrypter.decrypt(bytes);
    return Buffer.from(plain.buffer, plain.byteOffset, plain.length);
  } catch (cause) {
    throw new Fault('denied', 'cli.age', 'expected a file that these keys open, got another one', {
      hint: 'is it the identity or passphrase it was encrypted for?',
      cause,
    });
  }
}
