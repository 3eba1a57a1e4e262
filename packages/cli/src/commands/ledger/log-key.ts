import {
  type CheckpointKey,
  checkpointKeyId,
  concatBytes,
  equalBytes,
  Fault,
  fromBase64,
  fromHex,
} from '@sallyport/formats';

/** DER of an Ed25519 SubjectPublicKeyInfo before its 32 bytes (RFC 8410 section 4). */
const spkiPrefix = fromHex('302a300506032b6570032100');

/** The key of a log as its operator gives it out: `name+hash+base64` (c2sp.org/signed-note), Ed25519. */
export function parseLogKey(text: string): CheckpointKey {
  const match = /^([^\s+\p{Cc}]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/u.exec(text.trim());
  const [, name = '', hash = '', encoded = ''] = match ?? [];
  if (match === null) throw refused();
  const bytes = fromBase64(encoded);
  const publicKey = concatBytes(spkiPrefix, bytes.slice(1));
  if (bytes[0] !== 1) throw refused();
  if (!equalBytes(checkpointKeyId(name, publicKey).slice(0, 4), fromHex(hash))) throw refused();
  return { name, publicKey };
}

function refused(): Fault {
  return new Fault(
    'invalid',
    'cli.log_key',
    'expected the Ed25519 key of a log as name+hash+base64 (c2sp.org/signed-note), got other text',
    { hint: 'a Sallyport prints its own at /log-key' },
  );
}
