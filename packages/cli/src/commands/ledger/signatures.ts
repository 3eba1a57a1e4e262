import {
  fromBase64,
  fromUtf8,
  identityOf,
  parseCertificate,
  parseStrictJson,
  toHex,
  utf8,
} from '@sallyport/formats';

/** A signature that the log has from a certificate. */
export interface LoggedSignature {
  /** Hexadecimal: of the artifact, or of the payload or PAE of an envelope. */
  readonly digest: string;
  readonly certificate: Uint8Array;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a member of a member of … a value; undefined where there is none. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of path) {
    if (Array.isArray(found) && typeof key === 'number') found = found[key];
    else found = isRecord(found) && typeof key === 'string' ? found[key] : undefined;
  }
  return found;
}

/** What an entry of Rekor says, in each of its forms; undefined for other entries, and for keys without a name. */
export function signatureIn(entry: Uint8Array): LoggedSignature | undefined {
  try {
    const leaf = parseStrictJson(fromUtf8(entry), { maxBytes: 65_535 });
    const spec = at(leaf, 'spec');
    const tiled = at(spec, 'hashedRekordV002');
    const raw = at(tiled, 'signature', 'verifier', 'x509Certificate', 'rawBytes');
    const digest = at(tiled, 'data', 'digest');
    if (typeof raw === 'string' && typeof digest === 'string') {
      return { digest: toHex(fromBase64(digest)), certificate: fromBase64(raw) };
    }
    const pem = at(spec, 'signature', 'publicKey', 'content') ?? at(spec, 'signatures', 0, 'verifier');
    const hash = at(spec, 'data', 'hash', 'value') ?? at(spec, 'payloadHash', 'value');
    if (typeof pem !== 'string' || typeof hash !== 'string') return undefined;
    const body = /^-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END/.exec(
      fromUtf8(fromBase64(pem)),
    )?.[1];
    return body === undefined
      ? undefined
      : { digest: hash, certificate: Uint8Array.from(Buffer.from(body, 'base64')) };
  } catch {
    // An entry that is no JSON, or holds no such thing, is somebody else's.
    return undefined;
  }
}

/** Whether a certificate names `identity`. One that cannot be read does when the text stands anywhere in it. */
export function names(certificate: Uint8Array, identity: string): boolean {
  try {
    return identityOf(parseCertificate(certificate)).name === identity;
  } catch {
    return Buffer.from(certificate).includes(utf8(identity));
  }
}
