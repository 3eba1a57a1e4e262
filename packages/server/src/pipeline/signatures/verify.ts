import { isFault } from '@sallyport/formats';
import type { SignedObject } from '../git/objects.ts';
import { type AllowedSigner, matchesPrincipal, parseAllowedSigners, signersOf } from './allowed-signers.ts';
import { verifyOpenPgp } from './openpgp.ts';
import { parseSshKey } from './ssh-wire.ts';
import { isSignedBy, parseSshSignature, sshFingerprint } from './sshsig.ts';

/** Who may sign commits and tags of a repository. */
export interface SignerPolicy {
  /** An allowed signers file for SSH keys. */
  readonly allowedSigners: string;
  /** Armoured OpenPGP public keys, one or many blocks. */
  readonly openPgpKeys: string;
  /** SSH public keys (`type base64`) or OpenPGP fingerprints, one in a line: never good again. */
  readonly revoked: string;
}

export type SignatureStatus =
  | 'valid'
  | 'unsigned'
  | 'invalid'
  | 'unknown_key'
  | 'expired'
  | 'revoked'
  | 'not_allowed'
  | 'unsupported';

export interface SignatureResult {
  readonly status: SignatureStatus;
  readonly scheme?: 'ssh' | 'openpgp';
  /** Fingerprint of the key as its own tools print it. */
  readonly key?: string;
  /** Whose key it is, as the policy names them; only for a valid signature. */
  readonly signer?: string;
  /** For people: why it is not valid. */
  readonly reason?: string;
}

export interface SignatureQuestion {
  readonly signed: SignedObject | undefined;
  readonly policy: SignerPolicy;
  /** When and by whom the object says it was made. */
  readonly committer: { readonly email: string; readonly epochSeconds: number };
  readonly now: Date;
}

/** A clock of a committer may be ahead of ours by this much. */
const skewSeconds = 300;

/**
 * Judges a signature of a commit or tag. Never throws for what a stranger wrote: whatever is not a good signature of
 * an allowed key is a result that says why. A key must be valid at the time the object claims and also now, because
 * whoever stole an old key can claim any time.
 */
export async function verifySignature(question: SignatureQuestion): Promise<SignatureResult> {
  const { signed, committer, now } = question;
  if (signed === undefined) return { status: 'unsigned', reason: 'it has no signature' };
  if (committer.epochSeconds > now.getTime() / 1000 + skewSeconds) {
    return { status: 'invalid', reason: 'it claims to come from the future' };
  }
  try {
    if (signed.signature.startsWith('-----BEGIN SSH SIGNATURE-----')) return verifySsh(question, signed);
    if (signed.signature.startsWith('-----BEGIN PGP SIGNATURE-----'))
      return await verifyOpenPgp(question, signed);
    return { status: 'unsupported', reason: 'it is neither an SSH nor an OpenPGP signature' };
  } catch (error) {
    const isPolicy = isFault(error) && error.code === 'pipeline.bad_signers';
    if (isPolicy || !(error instanceof Error)) throw error;
    return { status: 'invalid', reason: isFault(error) ? error.message : 'it cannot be read' };
  }
}

function verifySsh(question: SignatureQuestion, signed: SignedObject): SignatureResult {
  const parsed = parseSshSignature(signed.signature);
  const about = { scheme: 'ssh', key: sshFingerprint(parsed.publicKey) } as const;
  const key = parseSshKey(parsed.publicKey);
  if (key === undefined) {
    return {
      ...about,
      status: 'unsupported',
      reason: 'keys on security tokens and certificates are not supported',
    };
  }
  // ssh-keygen signs files, e-mails and logins too: a signature made for those says nothing about a commit.
  if (parsed.namespace !== 'git') {
    return { ...about, status: 'invalid', reason: 'it was made for another purpose than git' };
  }
  if (!isSignedBy(parsed, key, signed.payload)) {
    return { ...about, status: 'invalid', reason: 'the signature does not fit the content' };
  }
  if (revokedKeys(question.policy.revoked).includes(Buffer.from(parsed.publicKey).toString('base64'))) {
    return { ...about, status: 'revoked', reason: 'the key was revoked' };
  }
  const known = signersOf(parseAllowedSigners(question.policy.allowedSigners), parsed.publicKey);
  if (known.length === 0)
    return { ...about, status: 'unknown_key', reason: 'the key is not among the allowed signers' };
  const judged = known.map((signer) => judge(signer, question));
  const best = judged.find(({ status }) => status === 'valid') ?? judged[0];
  return { ...about, ...(best ?? { status: 'unknown_key' }) };
}

function judge(signer: AllowedSigner, { committer, now }: SignatureQuestion): SignatureResult {
  if (signer.certAuthority) {
    return { status: 'unsupported', reason: 'the key is listed as an authority for certificates only' };
  }
  if (signer.namespaces !== undefined && !signer.namespaces.some((each) => matchesPrincipal([each], 'git'))) {
    return { status: 'not_allowed', reason: 'the key may not sign for git' };
  }
  for (const time of [committer.epochSeconds * 1000, now.getTime()]) {
    if (signer.validAfter !== undefined && time < signer.validAfter.getTime()) {
      return { status: 'expired', reason: 'the key is not valid yet' };
    }
    if (signer.validBefore !== undefined && time >= signer.validBefore.getTime()) {
      return { status: 'expired', reason: 'the key has expired' };
    }
  }
  if (!matchesPrincipal(signer.principals, committer.email)) {
    return { status: 'not_allowed', reason: 'the key belongs to somebody else than the committer' };
  }
  return { status: 'valid', signer: committer.email };
}

function revokedKeys(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([first = '', second]) => (second === undefined ? [first] : [second]));
}
