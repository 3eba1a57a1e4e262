import { type Answer, answerEach, batchItems, type Eventually } from './batch.ts';
import { type CipherDeps, decryptText, encryptBytes } from './cipher.ts';
import { refused } from './faults.ts';
import { type Fields, readBytes, readFlag, readText } from './fields.ts';
import type { TransitKey } from './key.ts';
import { canEncrypt, factsOf } from './key-types.ts';
import { type CreateRequest, readCreateRequest } from './lifecycle.ts';

/** `POST encrypt/:name`. Always at once; a promise never comes. Failed items of a batch make the status 400. */
export function encryptRequest(deps: CipherDeps, key: TransitKey, body: Fields): Eventually<Answer> {
  requireEncryption(key);
  requireSameContexts(body);
  return answerEach(
    body,
    (item) => {
      const plaintext = readBytes(item, 'plaintext');
      if (plaintext === undefined) throw refused('plaintext', 'missing plaintext to encrypt');
      try {
        return sealedFields(encryptBytes(deps, key, plaintext, item));
      } finally {
        plaintext.fill(0);
      }
    },
    400,
  );
}

/** `POST decrypt/:name`. At once, but for RSA. Failed items of a batch make the status 400. */
export function decryptRequest(deps: CipherDeps, key: TransitKey, body: Fields): Eventually<Answer> {
  requireEncryption(key);
  requireSameContexts(body);
  return answerEach(
    body,
    (item) => {
      const plaintext = decryptText(deps, key, requireCiphertext(item), item);
      return plaintext instanceof Promise ? plaintext.then(plaintextField) : plaintextField(plaintext);
    },
    400,
  );
}

/** `POST rewrap/:name`: what an older version made, under the latest or the one asked for. At once, but for RSA. */
export function rewrapRequest(deps: CipherDeps, key: TransitKey, body: Fields): Eventually<Answer> {
  requireEncryption(key);
  requireSameContexts(body);
  return answerEach(body, (item) => {
    const again = (plaintext: Buffer) => {
      try {
        return sealedFields(encryptBytes(deps, key, plaintext, item));
      } finally {
        plaintext.fill(0);
      }
    };
    const plaintext = decryptText(deps, key, requireCiphertext(item), item);
    return plaintext instanceof Promise ? plaintext.then(again) : again(plaintext);
  });
}

/**
 * The key that `POST encrypt/:name` creates when there is none: derived if the request has contexts. Only symmetric
 * types; the caller decides whether it may be created at all.
 */
export function readUpsert(body: Fields): CreateRequest {
  const derived = requireSameContexts(body);
  const convergent = readFlag(body, 'convergent_encryption') ?? false;
  const request = readCreateRequest({
    type: readText(body, 'type') ?? '',
    derived,
    convergent_encryption: convergent,
  });
  if (factsOf(request.type).family !== 'aead') {
    throw refused('unsupported', `key type ${request.type} is not created by encrypting: create it first`);
  }
  return request;
}

/** Whether the items have contexts. Some with and some without would be encrypted under keys of two kinds. */
function requireSameContexts(body: Fields): boolean {
  const items = batchItems(body) ?? [body];
  const count = items.filter((item) => (readText(item, 'context') ?? '') !== '').length;
  if (count === 0 || count === items.length) return count > 0;
  throw refused('context', 'context should be set either in all the request blocks or in none');
}

function requireEncryption(key: TransitKey): void {
  if (canEncrypt(factsOf(key.type))) return;
  throw refused('unsupported', `encryption is not supported for keys of type ${key.type}`);
}

function requireCiphertext(item: Fields): string {
  const ciphertext = readText(item, 'ciphertext') ?? '';
  if (ciphertext === '') throw refused('ciphertext', 'missing ciphertext to decrypt');
  return ciphertext;
}

function sealedFields({ ciphertext, keyVersion }: ReturnType<typeof encryptBytes>): Answer['data'] {
  return { ciphertext, key_version: keyVersion };
}

function plaintextField(plaintext: Buffer): Answer['data'] {
  const text = plaintext.toString('base64');
  plaintext.fill(0);
  return { plaintext: text };
}
