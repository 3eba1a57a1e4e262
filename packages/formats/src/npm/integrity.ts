import { fromBase64 } from '../bytes/encodings.ts';
import { Fault } from '../fault.ts';

/** What a lock file says a tarball's bytes hash to. */
export interface Integrity {
  readonly algorithm: 'sha512' | 'sha384' | 'sha256' | 'sha1';
  readonly hash: Uint8Array;
}

/** Strongest first. */
const sizes = { sha512: 64, sha384: 48, sha256: 32, sha1: 20 } as const;
const algorithms = ['sha512', 'sha384', 'sha256', 'sha1'] as const;

/**
 * Reads a Subresource Integrity text (`sha512-…`, perhaps with weaker ones beside it) and gives the strongest hash.
 * Two hashes of the strongest kind mean "either", which pins nothing we could state, and are refused; so are options.
 */
export function parseIntegrity(text: string): Integrity {
  if (text.length > 1000) throw refused(text);
  const found = text.split(' ').map((part): Integrity => {
    const dash = part.indexOf('-');
    const algorithm = algorithms.find((name) => name === part.slice(0, dash));
    if (algorithm === undefined) throw refused(text);
    const hash = fromBase64(part.slice(dash + 1));
    if (hash.length !== sizes[algorithm]) throw refused(text);
    return { algorithm, hash };
  });
  for (const algorithm of algorithms) {
    const [only, second] = found.filter((integrity) => integrity.algorithm === algorithm);
    if (second !== undefined) throw refused(text);
    if (only !== undefined) return only;
  }
  throw refused(text);
}

function refused(got: string): Fault {
  return new Fault(
    'invalid',
    'formats.integrity',
    `expected one "sha512-" hash or a weaker one in base64, got ${JSON.stringify(got.slice(0, 120))}`,
  );
}
