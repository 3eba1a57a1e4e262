import { refused } from './faults.ts';
import { type Fields, readText } from './fields.ts';

/**
 * `openssl` is the name node:crypto knows; `digestInfo` is what PKCS #1 v1.5 puts before a digest of it (RFC 8017
 * section 9.2 note 1; SHA-3 from NIST's registry of object identifiers, 2.16.840.1.101.3.4.2.7 to 10).
 */
const hashes = {
  sha1: { openssl: 'sha1', sizeBytes: 20, digestInfo: '3021300906052b0e03021a05000414' },
  'sha2-224': { openssl: 'sha224', sizeBytes: 28, digestInfo: '302d300d06096086480165030402040500041c' },
  'sha2-256': { openssl: 'sha256', sizeBytes: 32, digestInfo: '3031300d060960864801650304020105000420' },
  'sha2-384': { openssl: 'sha384', sizeBytes: 48, digestInfo: '3041300d060960864801650304020205000430' },
  'sha2-512': { openssl: 'sha512', sizeBytes: 64, digestInfo: '3051300d060960864801650304020305000440' },
  'sha3-224': { openssl: 'sha3-224', sizeBytes: 28, digestInfo: '302d300d06096086480165030402070500041c' },
  'sha3-256': { openssl: 'sha3-256', sizeBytes: 32, digestInfo: '3031300d060960864801650304020805000420' },
  'sha3-384': { openssl: 'sha3-384', sizeBytes: 48, digestInfo: '3041300d060960864801650304020905000430' },
  'sha3-512': { openssl: 'sha3-512', sizeBytes: 64, digestInfo: '3051300d060960864801650304020a05000440' },
} as const;

export type HashName = keyof typeof hashes;
export type HashFacts = (typeof hashes)[HashName];

/** By Vault's name, from the path or else from the body's field; `undefined` for `none`. */
export function readHash(fields: Fields, inPath: string | undefined): HashFacts | undefined {
  const name =
    nonEmpty(inPath) ??
    nonEmpty(readText(fields, 'hash_algorithm')) ??
    nonEmpty(readText(fields, 'algorithm')) ??
    'sha2-256';
  if (name === 'none') return undefined;
  // Its own keys are what HashName is.
  if (Object.hasOwn(hashes, name)) return hashes[name as HashName];
  throw refused(
    'hash',
    `expected one of ${Object.keys(hashes).join(', ')}, got ${JSON.stringify(name.slice(0, 40))}`,
  );
}

/** The same where a hash is needed whatever happens. */
export function requireHash(fields: Fields, inPath: string | undefined): HashFacts {
  const hash = readHash(fields, inPath);
  if (hash === undefined) throw refused('hash', 'expected a hash algorithm, got none');
  return hash;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
