import { constants, type KeyObject, privateDecrypt, privateEncrypt, sign } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import type { KeyJob, KeyReply, KeyRequest, SignatureForm } from './key-jobs.ts';

/**
 * The thread of slow private keys, one job at a time. ECDSA over a digest that is already there is noble-curves' work:
 * the runtime's interface to OpenSSL always hashes what it signs.
 */

const port = parentPort;
if (port === null) throw new Error('key-thread-worker is started as a worker thread only');

const curves = { 'P-256': p256, 'P-384': p384, 'P-521': p521 };

function run(job: KeyJob): Uint8Array | boolean {
  switch (job.do) {
    case 'sign': {
      const { hash, input, key, padding, saltLength, form } = job;
      return sign(hash, input, {
        key,
        dsaEncoding: form,
        ...(padding === undefined ? {} : { padding }),
        ...(saltLength === undefined ? {} : { saltLength }),
      });
    }
    case 'rsa-private':
      return privateEncrypt({ key: job.key, padding: job.padding }, job.block);
    case 'rsa-oaep': {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key: job.key, padding, oaepHash: job.hash }, job.block);
    }
    case 'ecdsa-sign': {
      const secret = coordinate(job.key, 'd');
      try {
        // Random bytes are mixed into RFC 6979's nonce: a fault in one of two computations then does not leak the key.
        const options = { ...over(job.form), extraEntropy: true };
        return curves[job.curve].sign(job.digest, secret, options);
      } finally {
        secret.fill(0);
      }
    }
    case 'ecdsa-verify': {
      const point = Buffer.concat([Buffer.of(4), coordinate(job.key, 'x'), coordinate(job.key, 'y')]);
      return curves[job.curve].verify(job.signature, job.digest, point, over(job.form));
    }
  }
}

/** Both forms of `s` are taken and made, as everywhere but in blockchains. */
function over(form: SignatureForm) {
  return { prehash: false, lowS: false, format: form === 'der' ? 'der' : 'compact' } as const;
}

function coordinate(key: KeyObject, name: 'd' | 'x' | 'y'): Uint8Array {
  return Buffer.from(key.export({ format: 'jwk' })[name] ?? '', 'base64url');
}

port.on('message', ({ id, job }: KeyRequest) => {
  let result: KeyReply['result'];
  try {
    result = run(job);
  } catch {
    result = undefined;
  }
  port.postMessage({ id, result } satisfies KeyReply);
});
