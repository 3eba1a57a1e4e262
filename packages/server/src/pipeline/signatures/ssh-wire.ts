import { createPublicKey, type KeyObject } from 'node:crypto';
import { Fault, fromUtf8, utf8 } from '@sallyport/formats';

/** Reads the SSH wire format (RFC 4251 section 5): big-endian lengths before bytes. Every read is bounded. */
export interface WireReader {
  uint32(): number;
  bytes(): Uint8Array;
  text(): string;
  end(): void;
}

export function wireReader(bytes: Uint8Array, what: string): WireReader {
  let at = 0;
  const take = (size: number): Uint8Array => {
    if (size > bytes.length - at) throw malformed(`${what} that ends too early`);
    at += size;
    return bytes.subarray(at - size, at);
  };
  const uint32 = (): number => {
    const four = take(4);
    return new DataView(four.buffer, four.byteOffset, 4).getUint32(0);
  };
  return {
    uint32,
    bytes: () => take(uint32()),
    text: () => fromUtf8(take(uint32())),
    end() {
      if (at !== bytes.length) throw malformed(`${what} with ${bytes.length - at} bytes after it`);
    },
  };
}

export function wireString(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
}

export type SshKey =
  | { readonly kind: 'ed25519'; readonly key: KeyObject }
  | { readonly kind: 'ecdsa'; readonly key: KeyObject; readonly curve: EcdsaCurve }
  | { readonly kind: 'rsa'; readonly key: KeyObject };

export interface EcdsaCurve {
  readonly name: string;
  readonly jwk: string;
  readonly coordinateBytes: number;
  readonly hash: string;
}

const curves: readonly EcdsaCurve[] = [
  { name: 'nistp256', jwk: 'P-256', coordinateBytes: 32, hash: 'sha256' },
  { name: 'nistp384', jwk: 'P-384', coordinateBytes: 48, hash: 'sha384' },
  { name: 'nistp521', jwk: 'P-521', coordinateBytes: 66, hash: 'sha512' },
];

/** A public key blob (RFC 4253 section 6.6, RFC 5656, RFC 8709), or undefined for a kind that is not supported. */
export function parseSshKey(blob: Uint8Array): SshKey | undefined {
  const wire = wireReader(blob, 'a public key');
  const type = wire.text();
  if (type === 'ssh-ed25519') {
    const x = wire.bytes();
    wire.end();
    if (x.length !== 32) throw malformed('an ed25519 key that is not 32 bytes long');
    return { kind: 'ed25519', key: fromJwk({ kty: 'OKP', crv: 'Ed25519', x: url(x) }) };
  }
  const curve = curves.find(({ name }) => type === `ecdsa-sha2-${name}`);
  if (curve !== undefined) {
    const name = wire.text();
    const point = wire.bytes();
    wire.end();
    const size = curve.coordinateBytes;
    if (name !== curve.name || point.length !== 1 + 2 * size || point[0] !== 4) {
      throw malformed('an elliptic curve key whose point does not fit its curve');
    }
    const [x, y] = [url(point.subarray(1, 1 + size)), url(point.subarray(1 + size))];
    return { kind: 'ecdsa', curve, key: fromJwk({ kty: 'EC', crv: curve.jwk, x, y }) };
  }
  if (type === 'ssh-rsa') {
    const e = positive(wire.bytes());
    const n = positive(wire.bytes());
    wire.end();
    if (n.length < 256 || n.length > 2048) throw malformed('an RSA key that is not 2048 to 16384 bits long');
    return { kind: 'rsa', key: fromJwk({ kty: 'RSA', n: url(n), e: url(e) }) };
  }
  return undefined;
}

/** An mpint that must be positive, without the zero byte that keeps it so. */
export function positive(mpint: Uint8Array): Uint8Array {
  const [first = 0x80, second = 0] = mpint;
  if (first >= 0x80 || (first === 0 && second < 0x80)) throw malformed('a number that is negative or padded');
  return first === 0 ? mpint.subarray(1) : mpint;
}

export const malformed = (what: string): Fault =>
  new Fault('invalid', 'pipeline.bad_signature', `expected a well-formed SSH signature, got ${what}`);

const url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

function fromJwk(jwk: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (cause) {
    throw new Fault('invalid', 'pipeline.bad_signature', 'expected a valid public key, got one that is not', {
      cause,
    });
  }
}
