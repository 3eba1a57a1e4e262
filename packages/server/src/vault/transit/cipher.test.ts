import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configureKey, trimKey } from './configure.ts';
import { datakeyRequest } from './datakey.ts';
import { decryptRequest, encryptRequest, readUpsert, rewrapRequest } from './encrypt.ts';
import type { TransitKey } from './key.ts';
import { atOnce, base64, createTransitFixture, results, textOf, unwire } from './transit.fixture.ts';

const transit = createTransitFixture();
const { deps } = transit;
afterAll(() => deps.thread.close());

const encrypt = (key: TransitKey, body: object) => atOnce(encryptRequest(deps, key, { ...body }));
const decrypt = (key: TransitKey, body: object) => atOnce(decryptRequest(deps, key, { ...body }));
const ciphertextOf = (key: TransitKey, text: string, more: object = {}) =>
  textOf(encrypt(key, { plaintext: base64(text), ...more }), 'ciphertext');
const symmetric = ['aes128-gcm96', 'aes256-gcm96', 'chacha20-poly1305'] as const;
const bytes = fc.uint8Array({ maxLength: 300 });
const context = base64('a customer');

describe.each(symmetric)('a key of type %s', (type) => {
  it('gives back what it took, with and without context and associated data', async () => {
    const plain = await transit.create({ type });
    const derived = await transit.create({ type, derived: true });
    const convergent = await transit.create({ type, derived: true, convergent_encryption: true });
    fc.assert(
      fc.property(bytes, fc.uint8Array({ minLength: 1, maxLength: 40 }), bytes, (plaintext, info, data) => {
        for (const key of [plain, derived, convergent]) {
          const options = { context: base64(info), associated_data: base64(data) };
          const sealed = encrypt(key, { plaintext: base64(plaintext), ...options });
          const opened = decrypt(key, { ciphertext: textOf(sealed, 'ciphertext'), ...options });

          expect(sealed.data['key_version']).toBe(1);
          expect(opened.data).toEqual({ plaintext: base64(plaintext) });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('opens nothing that was changed in a bit, cut or prolonged', async () => {
    const key = await transit.create({ type });
    const sealed = unwire(ciphertextOf(key, 'attack at dawn'));
    const opens = (candidate: Buffer) => decrypt(key, { ciphertext: `vault:v1:${base64(candidate)}` });

    expect(opens(sealed).data).toEqual({ plaintext: base64('attack at dawn') });
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => opens(flipped)).toThrow('invalid ciphertext');
    }
    for (let size = 0; size < sealed.length; size += 1) {
      expect(() => opens(sealed.subarray(0, size))).toThrow('invalid ciphertext');
    }
    expect(() => opens(Buffer.concat([sealed, Buffer.of(0)]))).toThrow('invalid ciphertext');
  });

  it('does not open what another key, version, context or associated data made', async () => {
    const key = await transit.rotate(await transit.create({ type, derived: true }));
    const other = await transit.create({ type, derived: true });
    const options = { context, associated_data: base64('row 7') };
    const ciphertext = ciphertextOf(key, 'x', options);
    const refused = (on: TransitKey, body: object) =>
      expect(() => decrypt(on, { ciphertext, ...options, ...body })).toThrow('invalid ciphertext');

    expect(ciphertext.startsWith('vault:v2:')).toBe(true);
    refused(await transit.rotate(other), {});
    refused(key, { ciphertext: ciphertext.replace('v2', 'v1') });
    refused(key, { context: base64('another customer') });
    refused(key, { associated_data: base64('row 8') });
    refused(key, { associated_data: '' });
  });
});

describe('a ciphertext', () => {
  it.each([
    '',
    'vault:v1',
    'vault:v1:',
    'vault:v0:AAAA',
    'vault:v01:AAAA',
    'vault:v-1:AAAA',
    'vault:v+1:AAAA',
    'vault:v1e0:AAAA',
    'vault:v1x:AAAA',
    'Vault:v1:AAAA',
    ' vault:v1:AAAA',
    'vault:v9999999999999:AAAA',
    'vault:v1:AAA',
    'vault:v1:AAB=',
    'vault:v1:AA-_',
    'vault:v1:ÄAAA',
    'bao:v1:AAAA',
  ])('is refused as %j, whatever is behind it', async (ciphertext) => {
    const key = await transit.create();

    expect(() => decrypt(key, { ciphertext })).toThrow(/ciphertext/);
  });

  it('has one spelling: bits behind the data, which a lenient reader skips, are refused', async () => {
    const key = await transit.create();
    const ciphertext = ciphertextOf(key, 'x');
    expect(ciphertext.endsWith('=')).toBe(true);
    const last = ciphertext.search(/=+$/) - 1;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const next = alphabet[alphabet.indexOf(ciphertext[last] ?? '') + 1] ?? '';
    const respelled = ciphertext.slice(0, last) + next + ciphertext.slice(last + 1);

    expect(unwire(respelled)).toEqual(unwire(ciphertext));
    expect(() => decrypt(key, { ciphertext: respelled })).toThrow('base64');
  });

  it('of any text never opens', async () => {
    const key = await transit.create();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        for (const ciphertext of [text, `vault:v1:${text}`, `vault:v1:${base64(text)}`]) {
          expect(() => decrypt(key, { ciphertext })).toThrow(/expected|invalid|missing/);
        }
      }),
    );
  });

  it('is opened only with versions that the minima leave', async () => {
    let key = await transit.create();
    const first = ciphertextOf(key, 'one');
    for (let rotation = 0; rotation < 3; rotation += 1) key = await transit.rotate(key);
    const third = ciphertextOf(key, 'three', { key_version: 3 });

    expect(decrypt(key, { ciphertext: first }).data).toEqual({ plaintext: base64('one') });
    expect(() => decrypt(key, { ciphertext: first.replace('v1', 'v5') })).toThrow('too new');
    ({ key } = configureKey(key, { min_decryption_version: 2, min_encryption_version: 4 }));
    expect(() => decrypt(key, { ciphertext: first })).toThrow('too old');
    expect(decrypt(key, { ciphertext: third }).data).toEqual({ plaintext: base64('three') });
    expect(() => ciphertextOf(key, 'x', { key_version: 3 })).toThrow('from 4 to 4');
    key = trimKey(key, { min_available_version: 2 });
    expect(() => decrypt(key, { ciphertext: first })).toThrow('too old');
    expect(decrypt(key, { ciphertext: third }).data).toEqual({ plaintext: base64('three') });
  });
});

describe('convergent encryption', () => {
  it('gives one ciphertext for one plaintext, context and associated data, and others for others', async () => {
    const key = await transit.create({ derived: true, convergent_encryption: true });
    const of = (text: string, more: object = {}) => ciphertextOf(key, text, { context, ...more });
    const nonce = (text: string, more: object = {}) => unwire(of(text, more)).subarray(0, 12).toString('hex');

    expect(of('x')).toBe(of('x'));
    expect(of('x')).not.toBe(of('y'));
    expect(of('x')).not.toBe(of('x', { context: base64('b') }));
    // One nonce with two associated data would give the key of the tags away.
    const nonces = ['', 'YQ==', 'YWI=', base64('x')].map((data) => nonce('x', { associated_data: data }));
    expect(new Set(nonces).size).toBe(4);
  });

  it('is what Vault derives: key, then nonce key, of 32 bytes each', async () => {
    const { createDecipheriv, createHmac, hkdfSync } = await import('node:crypto');
    const material = base64(Buffer.alloc(32, 9));
    const options = { derived: true, convergent_encryption: true };
    const key = transit.createOf('aes256-gcm96', { material, publicKey: '' }, options);
    const sealed = unwire(ciphertextOf(key, 'same', { context }));

    const derived = Buffer.from(hkdfSync('sha256', Buffer.alloc(32, 9), '', Buffer.from('a customer'), 64));
    const nonce = createHmac('sha256', derived.subarray(32)).update('same').digest().subarray(0, 12);
    const decipher = createDecipheriv('aes-256-gcm', derived.subarray(0, 32), nonce);
    decipher.setAuthTag(sealed.subarray(-16));
    const opened = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    expect(sealed.subarray(0, 12)).toEqual(nonce);
    expect(opened.toString()).toBe('same');
  });
});

describe('options of a request', () => {
  it('are refused where they have no meaning, without repeating what was sent', async () => {
    const key = await transit.create();
    const derived = await transit.create({ derived: true });
    const ed25519 = await transit.create({ type: 'ed25519' });
    const hostile: ReadonlyArray<readonly [TransitKey, object, string]> = [
      [key, {}, 'missing plaintext'],
      [key, { plaintext: 's3cret!' }, 'base64'],
      [key, { plaintext: 7 }, 'as text'],
      [key, { plaintext: '', nonce: base64('123456789012') }, 'nonce provided when not allowed'],
      [key, { plaintext: '', key_version: 2 }, 'from 1 to 1'],
      [key, { plaintext: '', key_version: -1 }, 'whole number'],
      [key, { plaintext: '', key_version: 1.5 }, 'whole number'],
      [key, { plaintext: '', associated_data: '~' }, 'base64'],
      [derived, { plaintext: '' }, "missing 'context'"],
      [derived, { plaintext: '', context: '' }, "missing 'context'"],
      [derived, { plaintext: '', context: base64(Buffer.alloc(1025)) }, 'at most 1024'],
      [ed25519, { plaintext: '' }, 'not supported'],
      [key, { batch_input: [] }, 'missing batch input'],
      [key, { batch_input: {} }, 'missing batch input'],
      [key, { batch_input: [1] }, 'missing batch input'],
      [key, { batch_input: Array(10_001).fill({ plaintext: '' }) }, '10000'],
      [key, { batch_input: [{ plaintext: '', context }, { plaintext: '' }] }, 'all the request blocks'],
    ];
    for (const [on, body, message] of hostile) {
      expect(() => encrypt(on, body)).toThrow(message);
      expect(() => encrypt(on, body)).not.toThrow('s3cret');
    }
  });

  it('take the empty plaintext, versions as text, and base64 with line breaks', async () => {
    const key = await transit.rotate(await transit.create());
    const ciphertext = ciphertextOf(key, '', { key_version: '1' });

    expect(ciphertext.startsWith('vault:v1:')).toBe(true);
    expect(decrypt(key, { ciphertext }).data).toEqual({ plaintext: '' });
    const wrapped = encrypt(key, { plaintext: 'QUFB\nQUFB\r\nQUFB\n' });
    expect(decrypt(key, { ciphertext: textOf(wrapped, 'ciphertext') }).data).toEqual({
      plaintext: 'QUFBQUFBQUFB',
    });
  });
});

describe('a batch', () => {
  it('keeps order and references, and an error stays with its item', async () => {
    const key = await transit.create();
    const answer = encrypt(key, {
      batch_input: [
        { plaintext: base64('a'), reference: 'first' },
        { plaintext: '?', reference: 'second' },
        { plaintext: base64('c') },
        { plaintext: base64('d'), key_version: 9 },
      ],
    });

    expect(answer.status).toBe(400);
    const [a, b, c, d] = results(answer);
    expect(a).toMatchObject({ key_version: 1, reference: 'first' });
    expect(b).toEqual({ error: expect.stringContaining('base64'), reference: 'second' });
    expect(d).toEqual({ error: expect.stringContaining('key_version') });
    const back = decrypt(key, {
      batch_input: [a, c].map((item) => ({ ciphertext: item?.['ciphertext'] })),
    });
    expect(back.status).toBe(200);
    expect(results(back)).toEqual([{ plaintext: base64('a') }, { plaintext: base64('c') }]);
  });

  it('answers partial failures with the status that was asked for', async () => {
    const key = await transit.create();
    const good = { plaintext: base64('a') };
    const status = (items: object[], code: unknown) =>
      encrypt(key, { batch_input: items, partial_failure_response_code: code }).status;

    expect(status([good, { plaintext: '?' }], 207)).toBe(207);
    expect(status([{ plaintext: '?' }], 207)).toBe(400);
    expect(status([good], 207)).toBe(200);
    expect(status([good, { plaintext: '?' }], 0)).toBe(400);
  });
});

describe('rewrapping', () => {
  it('moves to the latest version without showing the plaintext', async () => {
    const old = await transit.create();
    const key = await transit.rotate(old);
    const answer = atOnce(rewrapRequest(deps, key, { ciphertext: ciphertextOf(old, 'x') }));

    expect(answer.data).toEqual({ ciphertext: expect.stringMatching(/^vault:v2:/), key_version: 2 });
    const ciphertext = textOf(answer, 'ciphertext');
    expect(decrypt(key, { ciphertext }).data).toEqual({ plaintext: base64('x') });
    expect(() => rewrapRequest(deps, key, { ciphertext: 'vault:v1:AAAA' })).toThrow('invalid ciphertext');
  });
});

describe('a key that encrypting creates', () => {
  it('is derived if the request has contexts, and never asymmetric', () => {
    expect(readUpsert({ plaintext: '' })).toMatchObject({ type: 'aes256-gcm96', derived: false });
    expect(readUpsert({ batch_input: [{ plaintext: '', context }] })).toMatchObject({ derived: true });
    expect(() => readUpsert({ plaintext: '', convergent_encryption: true })).toThrow('derivation');
    expect(() => readUpsert({ plaintext: '', type: 'rsa-2048' })).toThrow('create it first');
    expect(() => readUpsert({ plaintext: '', type: 'xchacha20-poly1305' })).toThrow('OpenSSL');
  });
});

describe('data keys', () => {
  it.each([128, 256, 512])('of %i bits open to what was shown', async (bits) => {
    const key = await transit.create({ derived: true });
    const { data } = datakeyRequest(deps, key, 'plaintext', { bits, context });

    expect(Buffer.from(String(data['plaintext']), 'base64').length).toBe(bits / 8);
    const opened = decrypt(key, { ciphertext: data['ciphertext'], context });
    expect(opened.data).toEqual({ plaintext: data['plaintext'] });
  });

  it('are not shown when wrapped, and come in three sizes', async () => {
    const key = await transit.create();

    expect(datakeyRequest(deps, key, 'wrapped', {}).data).toEqual({
      ciphertext: expect.stringMatching(/^vault:v1:/),
      key_version: 1,
    });
    expect(() => datakeyRequest(deps, key, 'wrapped', { bits: 257 })).toThrow('128, 256 or 512');
    expect(() => datakeyRequest(deps, key, 'clear', {})).toThrow('another path');
  });
});

describe('RSA', () => {
  let key: TransitKey;
  beforeAll(async () => {
    key = await transit.create({ type: 'rsa-2048' });
  });

  it('encrypts at once and decrypts in the thread, in batches too', async () => {
    const items = ['a', '', 'c'.repeat(190)].map((text) => ({ plaintext: base64(text) }));
    const sealed = encrypt(key, { batch_input: items });
    const again = { batch_input: [...results(sealed), { ciphertext: 'vault:v1:AAAA' }] };
    const opened = await decryptRequest(deps, key, again);

    expect(results(opened).slice(0, 3)).toEqual(items);
    expect(results(opened)[3]).toEqual({ error: expect.stringContaining('invalid ciphertext') });
    expect(opened.status).toBe(400);
    expect(() => ciphertextOf(key, 'c'.repeat(191))).toThrow('at most 190 bytes');
    expect(() => encrypt(key, { plaintext: '', associated_data: 'YQ==' })).toThrow('associated_data');
  });

  it('does not open what was changed, and rewraps what was not', async () => {
    const ciphertext = ciphertextOf(key, 'x');
    const changed = unwire(ciphertext);
    changed[100] = (changed[100] ?? 0) ^ 1;

    const hostile = decryptRequest(deps, key, { ciphertext: `vault:v1:${base64(changed)}` });
    await expect(hostile).rejects.toThrow('invalid ciphertext');
    const rewrapped = await rewrapRequest(deps, key, { ciphertext });
    const opened = await decryptRequest(deps, key, { ciphertext: textOf(rewrapped, 'ciphertext') });
    expect(opened.data).toEqual({ plaintext: base64('x') });
  });
});
