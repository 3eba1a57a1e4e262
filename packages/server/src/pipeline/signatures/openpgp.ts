import { Fault } from '@sallyport/formats';
import type { Key } from 'openpgp';
import type { SignedObject } from '../git/objects.ts';
import type { SignatureQuestion, SignatureResult } from './verify.ts';

const maxCharacters = 65_536;

/** Judges an OpenPGP signature (RFC 9580) against the repository's keys; only a detached signature of one key counts. */
export async function verifyOpenPgp(
  question: SignatureQuestion,
  signed: SignedObject,
): Promise<SignatureResult> {
  const about = { scheme: 'openpgp' } as const;
  if (signed.signature.length > maxCharacters) {
    return { ...about, status: 'invalid', reason: 'the signature is too large' };
  }
  // Loaded when first needed: most installations sign with SSH, and the package is large.
  const { createMessage, readSignature, verify } = await import('openpgp');
  const signature = await readSignature({ armoredSignature: signed.signature });
  const ids = signature.getSigningKeyIDs();
  const [id] = ids;
  if (id === undefined || ids.length > 1) {
    return { ...about, status: 'invalid', reason: 'expected exactly one signature' };
  }
  const keys = await readAll(question.policy.openPgpKeys);
  const key = keys.find((each) => each.getKeys(id).length > 0);
  if (key === undefined) {
    return {
      ...about,
      key: id.toHex(),
      status: 'unknown_key',
      reason: 'the key is not among the allowed keys',
    };
  }
  const fingerprint = key.getFingerprint();
  const named = { ...about, key: fingerprint };
  const message = await createMessage({ binary: Uint8Array.from(signed.payload) });
  const { signatures } = await verify({
    message,
    signature,
    verificationKeys: key,
    date: question.now,
  });
  const expired = await expiryReason(key, id, question);
  const revoked = await isRevoked(key, fingerprint, question);
  const isRight = await signatures[0]?.verified.catch(() => false);
  // The reason that a person can act on first: an expired key also makes the signature fail.
  if (revoked) return { ...named, status: 'revoked', reason: 'the key was revoked' };
  if (expired !== undefined) return { ...named, status: 'expired', reason: expired };
  if (isRight !== true)
    return { ...named, status: 'invalid', reason: 'the signature does not fit the content' };
  const emails = key.users.flatMap(({ userID }) => (userID?.email === undefined ? [] : [userID.email]));
  if (!emails.includes(question.committer.email)) {
    return { ...named, status: 'not_allowed', reason: 'the key belongs to somebody else than the committer' };
  }
  return { ...named, status: 'valid', signer: question.committer.email };
}

async function readAll(armored: string): Promise<Key[]> {
  const { readKeys } = await import('openpgp');
  const blocks =
    armored.match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g) ?? [];
  const keys: Key[] = [];
  for (const block of blocks) keys.push(...(await readKeys({ armoredKeys: block })));
  return keys;
}

type KeyId = ReturnType<Key['getKeyID']>;

async function expiryReason(
  key: Key,
  id: KeyId,
  { committer, now }: SignatureQuestion,
): Promise<string | undefined> {
  const times = [new Date(committer.epochSeconds * 1000), now];
  const expiries = [await key.getExpirationTime(), ...(await subkeyExpiry(key, id))];
  for (const expiry of expiries) {
    const expires = expiry instanceof Date ? expiry.getTime() : Number.POSITIVE_INFINITY;
    if (times.some((time) => time.getTime() >= expires)) return 'the key has expired';
  }
  return key.getCreationTime().getTime() > now.getTime() ? 'the key is not valid yet' : undefined;
}

async function subkeyExpiry(key: Key, id: KeyId): Promise<Array<Date | typeof Infinity | null>> {
  const subkey = key.getSubkeys(id)[0];
  return subkey === undefined ? [] : [await subkey.getExpirationTime()];
}

async function isRevoked(
  key: Key,
  fingerprint: string,
  { policy, now }: SignatureQuestion,
): Promise<boolean> {
  const listed = policy.revoked.split(/\r?\n/).map((line) => line.replaceAll(/\s|^0x/g, '').toLowerCase());
  return listed.includes(fingerprint.toLowerCase()) || (await key.isRevoked(undefined, undefined, now));
}

/** Refuses keys that could never be used, when they are given and not when the first commit comes. */
export async function checkOpenPgpKeys(armored: string): Promise<void> {
  if (armored.trim() === '') return;
  const wrong = (found: string, cause?: unknown): Fault =>
    new Fault('invalid', 'pipeline.bad_signers', `expected armoured OpenPGP public keys, got ${found}`, {
      cause,
    });
  if (armored.length > 1_048_576) throw wrong(`${armored.length} characters`);
  const keys = await readAll(armored).catch((cause: unknown) => {
    throw wrong('text that cannot be read', cause);
  });
  if (keys.length === 0) throw wrong('no key');
  if (keys.some((key) => key.isPrivate())) throw wrong('a private key');
}
