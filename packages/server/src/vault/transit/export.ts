import { createPublicKey } from 'node:crypto';
import { refused } from './faults.ts';
import { type Fields, readText } from './fields.ts';
import type { KeyVersion, TransitKey } from './key.ts';
import { canEncrypt, canSign, factsOf, type KeyFacts } from './key-types.ts';
import { ed25519Public } from './material.ts';
import type { KeyMaterial } from './material-cache.ts';

type Format = '' | 'raw' | 'der' | 'pem';
type ExportType = 'encryption-key' | 'signing-key' | 'hmac-key' | 'public-key';

/**
 * `GET export/:type/:name[/:version]`, in Vault's forms: base64 of the raw key (symmetric, hmac), base64 of seed and
 * public key (ed25519), PEM of SEC 1 or PKCS #1 (ecdsa, rsa); `format` asks for raw, DER in base64, or PEM of PKCS#8.
 * Private parts only of exportable keys. A version that has no private part exports as an empty text.
 */
export function exportKey(
  deps: { readonly material: KeyMaterial },
  key: TransitKey,
  type: string,
  versionText: string | undefined,
  query: Fields = {},
): Readonly<Record<string, unknown>> {
  const wanted = readExportType(type);
  const format = readFormat(query);
  const facts = factsOf(key.type);
  requireExportable(key, facts, wanted);
  const chosen = versionText === undefined ? undefined : readVersion(key, versionText);
  const keys = Object.entries(key.versions)
    .filter(([number]) =>
      chosen === undefined ? Number(number) >= key.minDecryptionVersion : Number(number) === chosen,
    )
    .map(([number, version]) => [number, exported(deps, key, Number(number), version, wanted, format)]);
  if (keys.length === 0) throw refused('version', 'version does not exist or cannot be found');
  return { name: key.name, type: key.type, keys: Object.fromEntries(keys) };
}

function exported(
  { material }: { readonly material: KeyMaterial },
  key: TransitKey,
  number: number,
  version: KeyVersion,
  wanted: ExportType,
  format: Format,
): string {
  const facts = factsOf(key.type);
  const secret = () => material.reveal(key, number);
  if (wanted === 'hmac-key') return rawText(secret().hmacKey, format);
  if (wanted === 'public-key') return publicKeyText(version, facts, format);
  const { material: known } = secret();
  if (facts.family === 'aead') return rawText(known, format);
  if (known === '') return '';
  if (facts.family === 'ed25519' && (format === '' || format === 'raw')) return known;
  const privateKey = material.privateKey(key, number);
  if (privateKey === undefined || format === 'raw') throw noFormat(format);
  if (format === 'der') return privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  const type = format === 'pem' ? 'pkcs8' : facts.family === 'rsa' ? 'pkcs1' : 'sec1';
  return privateKey.export({ format: 'pem', type }).toString().trim();
}

function publicKeyText(version: KeyVersion, facts: KeyFacts, format: Format): string {
  if (facts.family === 'ed25519' && (format === '' || format === 'raw')) return version.publicKey;
  if (format === 'raw') throw noFormat(format);
  const publicKey =
    facts.family === 'ed25519'
      ? ed25519Public(Buffer.from(version.publicKey, 'base64'))
      : createPublicKey(version.publicKey);
  if (format === 'der') return publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  return publicKey.export({ format: 'pem', type: 'spki' }).toString().trim();
}

function requireExportable(key: TransitKey, facts: KeyFacts, wanted: ExportType): void {
  if (wanted === 'public-key') {
    if (!canSign(facts)) throw refused('unsupported', `keys of type ${key.type} have no public key`);
    // Half of what HKDF derives from, and the public key of nothing: each context has its own.
    if (key.derived)
      throw refused('derived', 'a derived key has a public key for each context: read it with one');
    return;
  }
  if (!key.exportable) throw refused('not_exportable', 'private key material is not exportable');
  if (wanted === 'encryption-key' && !canEncrypt(facts)) {
    throw refused('unsupported', 'encryption not supported for the key');
  }
  if (wanted === 'signing-key' && !canSign(facts)) {
    throw refused('unsupported', 'signing not supported for the key');
  }
}

function readVersion(key: TransitKey, text: string): number {
  if (text === 'latest') return key.latestVersion;
  if (!/^v?[1-9][0-9]{0,8}$/.test(text)) throw refused('version', 'invalid key version');
  const version = Number(text.replace('v', ''));
  if (version >= key.minDecryptionVersion) return version;
  throw refused('version', 'version for export is below minimum decryption version');
}

function readExportType(type: string): ExportType {
  if (type === 'encryption-key' || type === 'signing-key' || type === 'hmac-key' || type === 'public-key') {
    return type;
  }
  throw refused('export', 'expected encryption-key, signing-key, hmac-key or public-key');
}

function readFormat(query: Fields): Format {
  const format = readText(query, 'format') ?? '';
  if (format === '' || format === 'raw' || format === 'der' || format === 'pem') return format;
  throw noFormat(format);
}

function rawText(base64: string, format: Format): string {
  if (format === '' || format === 'raw') return base64;
  throw noFormat(format);
}

function noFormat(format: string) {
  return refused('format', `this key has no form ${JSON.stringify(format.slice(0, 10))}`);
}
