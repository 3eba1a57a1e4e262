import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import type { OidcSigner } from './jwt.ts';

/** A signer with a key of its own, as the keyring gives it. For tests. */
export function testSigner(keyId: string): OidcSigner & { readonly privatePem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return {
    keyId,
    privatePem,
    publicKeySpki: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })),
    signJose: (bytes) =>
      new Uint8Array(sign('sha256', bytes, { key: createPrivateKey(privatePem), dsaEncoding: 'ieee-p1363' })),
  };
}
