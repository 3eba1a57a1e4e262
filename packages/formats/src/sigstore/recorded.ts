import { equalBytes, fromUtf8 } from '../bytes/bytes.ts';
import { sha2 } from '../crypto/sha256.ts';
import type { HashName } from '../crypto/verifying-key.ts';
import { readPem } from './pem.ts';
import { refusal } from './refusal.ts';
import type { SignedContent } from './signed-content.ts';
import type { Signer } from './signer.ts';

/** Compares what a kind of entry recorded, its `spec`, with what the bundle carries. */
export type Compare = (spec: unknown, content: SignedContent, signer: Signer) => void;

/** The hash that was signed; only kinds that record it so are `right`. */
export function requireHash(
  right: boolean,
  name: HashName,
  recorded: Uint8Array,
  content: SignedContent,
): void {
  const own = content.hash(name);
  if (!right || own === undefined || !equalBytes(own, recorded)) throw differs('content');
}

/** The hash of an envelope's payload. */
export function requirePayload(name: HashName, recorded: Uint8Array, { payload }: SignedContent): void {
  if (payload === undefined || !equalBytes(sha2(name, payload), recorded)) throw differs('payload');
}

export function requireSignature(recorded: Uint8Array, { signature }: SignedContent): void {
  if (!equalBytes(recorded, signature)) throw differs('signature');
}

/** Entries of the first generation hold the certificate or key as PEM. */
export function requirePem(pem: Uint8Array, { certificate, key }: Signer): void {
  const { label, der } = readPem(fromUtf8(pem), ['CERTIFICATE', 'PUBLIC KEY']);
  const own = label === 'CERTIFICATE' ? certificate?.raw : certificate === undefined ? key.spki : undefined;
  if (own === undefined || !equalBytes(der, own)) throw differs('signer');
}

/** The refusal of an entry that records something else. */
export function differs(what: string) {
  return refusal('log_entry', `a log entry of the bundle's own ${what}`, 'one of another');
}
