import { refused } from './faults.ts';
import { decodeBase64 } from './fields.ts';

export type WireForm = 'base64' | 'base64url';

const prefix = /^vault:v([1-9][0-9]{0,8}):/;

/** What every Vault client knows a ciphertext, signature or HMAC by: `vault:v<version>:<base64>`. */
export function writeWire(version: number, bytes: Uint8Array, form: WireForm = 'base64'): string {
  return `vault:v${version}:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(form)}`;
}

/** Reads such a text. Version 0, which Vault 0.1 wrote, is refused with every other prefix. */
export function readWire(text: string, what: string, form: WireForm = 'base64'): WirePart {
  const found = prefix.exec(text);
  if (found === null) {
    throw refused('prefix', `expected ${what} to begin with "vault:v", a version and ":", got other text`);
  }
  return { version: Number(found[1]), bytes: decodeBase64(text.slice(found[0].length), what, form) };
}

interface WirePart {
  readonly version: number;
  readonly bytes: Buffer;
}
