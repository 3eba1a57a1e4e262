import type { Random } from '#platform';
import { type Answer, answer } from './batch.ts';
import { type CipherDeps, encryptBytes } from './cipher.ts';
import { refused } from './faults.ts';
import { type Fields, readWhole } from './fields.ts';
import type { TransitKey } from './key.ts';
import { canEncrypt, factsOf } from './key-types.ts';

/** `POST datakey/:form/:name`: a fresh key under this one, and in clear as well when `form` is `plaintext`. */
export function datakeyRequest(
  deps: CipherDeps & { readonly random: Random },
  key: TransitKey,
  form: string,
  body: Fields,
): Answer {
  if (form !== 'plaintext' && form !== 'wrapped') {
    throw refused('datakey', 'expected datakey/plaintext or datakey/wrapped, got another path');
  }
  if (!canEncrypt(factsOf(key.type))) {
    throw refused('unsupported', `encryption is not supported for keys of type ${key.type}`);
  }
  const bits = readWhole(body, 'bits') ?? 256;
  if (bits !== 128 && bits !== 256 && bits !== 512) {
    throw refused('bits', `expected bits as 128, 256 or 512, got ${bits}`);
  }
  const fresh = deps.random.bytes(bits / 8);
  try {
    const { ciphertext, keyVersion } = encryptBytes(deps, key, fresh, body);
    const plaintext = form === 'plaintext' ? { plaintext: Buffer.from(fresh).toString('base64') } : {};
    return answer({ ciphertext, key_version: keyVersion, ...plaintext });
  } finally {
    fresh.fill(0);
  }
}
