import { createSecretKey } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Audit, Db, Random } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  inTx,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import { decryptBytes, unwrapKey } from './aead.ts';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from './index.ts';
import { maxUses } from './keks.ts';
import { bodyAt, nonceAt, packedOverheadBytes, wrappedAt } from './packed-record.ts';
import { createScopeCipher, heldKek, maxPackedPlaintextBytes, noKeks, stopUses } from './scope-cipher.ts';

let test: TestDb;
let db: Db;
let keyring: Keyring;
let folder: string;
const scope = 'env:shop/prod';
const admin = { kind: 'person', id: 'psn_admin' } as const;

function newKeyring(seed: number, more: { audit?: Audit; random?: Random } = {}): Keyring {
  const random = more.random ?? seededRandom(seed);
  return createKeyring({
    db,
    audit: more.audit ?? recordingAudit(),
    clock: fixedClock(),
    ids: countingIds(),
    seal: fileSeal(`${folder}/root.key`, seededRandom(99)),
    log: silentLog,
    random,
  });
}

const execute = (statement: string): Promise<unknown> => inTx(db, (tx) => sql.raw(statement).execute(tx));
const storedUses = async (version: number): Promise<number> =>
  db.read(async (tx) => {
    const { rows } = await sql<{
      uses: string;
    }>`select uses from keyring_keks where scope = ${scope} and version = ${version}`.execute(tx);
    return Number(rows[0]?.uses);
  });
const bytes = (text: string): Buffer => Buffer.from(text);

beforeAll(async () => {
  test = await openTestDb(keyringMigrations);
  db = test.db;
  const { mkdtemp } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  folder = await mkdtemp(`${tmpdir()}/keyring-`);
});
afterAll(() => test.close());
beforeEach(async () => {
  await execute('truncate keyring_signers, keyring_keks, keyring_root');
  keyring = newKeyring(1);
  await keyring.open();
});

describe('packed records', () => {
  it('give back exactly what was sealed, for every plaintext and address', async () => {
    const cipher = await keyring.cipher(scope);

    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
        (plaintext, address) => {
          const sealed = cipher.seal(address, plaintext);
          expect(sealed.length).toBe(plaintext.length + packedOverheadBytes);
          expect(cipher.keyVersionOf(sealed)).toBe(1);
          expect(cipher.open(address, sealed)).toEqual(Buffer.from(plaintext));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('open at no other address and in no other scope', async () => {
    const cipher = await keyring.cipher(scope);
    const other = await keyring.cipher('env:shop/dev');
    const sealed = cipher.seal('a/b', bytes('value'));

    for (const address of ['a/', 'a/b/', 'a/c', 'A/b', '', 'a/b\0']) {
      expect(cipher.open(address, sealed)).toBeUndefined();
    }
    expect(other.open('a/b', sealed)).toBeUndefined();
    expect(cipher.open('a/b', sealed)).toEqual(bytes('value'));
  });

  it('do not open after any flipped bit, cut or added byte', async () => {
    const cipher = await keyring.cipher(scope);
    const sealed = cipher.seal('k', bytes('value'));

    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(cipher.open('k', changed)).toBeUndefined();
    }
    for (let size = 0; size < sealed.length; size += 1) {
      expect(cipher.open('k', sealed.subarray(0, size))).toBeUndefined();
      expect(cipher.keyVersionOf(sealed.subarray(0, Math.min(size, packedOverheadBytes - 1)))).toBe(0);
    }
    expect(cipher.open('k', Buffer.concat([sealed, Buffer.of(0)]))).toBeUndefined();
  });

  it('do not open when put together from two records of one address', async () => {
    const cipher = await keyring.cipher(scope);
    const one = cipher.seal('k', bytes('old value'));
    const two = cipher.seal('k', bytes('new value'));

    const mixed = Buffer.concat([one.subarray(0, nonceAt), two.subarray(nonceAt)]);

    expect(cipher.open('k', mixed)).toBeUndefined();
  });

  it('are not the records of `encrypt`: neither opens as the other', async () => {
    const cipher = await keyring.cipher(scope);
    const record = await inTx(db, (tx) => keyring.encrypt(tx, scope, 'k', SecretBytes.fromUtf8('value')));
    const header = Buffer.of(1, 0, 0, 0, record.keyVersion);
    const asPacked = Buffer.concat([header, record.wrappedKey, record.nonce, record.ciphertext]);
    const sealed = cipher.seal('k', bytes('value'));
    const asRecord = {
      keyVersion: 1,
      wrappedKey: sealed.subarray(wrappedAt, nonceAt),
      nonce: sealed.subarray(nonceAt, bodyAt),
      ciphertext: sealed.subarray(bodyAt),
    };

    expect(cipher.open('k', asPacked)).toBeUndefined();
    await expect(db.read((tx) => keyring.decrypt(tx, scope, 'k', asRecord))).rejects.toMatchObject({
      code: 'keyring.decrypt_failed',
    });
  });

  it('refuse addresses and plaintexts out of bounds', async () => {
    const cipher = await keyring.cipher(scope);
    const lone = '\ud800';

    for (const address of ['', 'x'.repeat(2001), lone]) {
      expect(() => cipher.seal(address, bytes('v'))).toThrow(
        expect.objectContaining({ code: 'keyring.address' }),
      );
    }
    const sealed = cipher.seal('\ufffd', bytes('v'));
    expect(cipher.open(lone, sealed)).toBeUndefined();
    const longest = '\uffee'.repeat(2000);
    expect(cipher.open(longest, cipher.seal(longest, bytes('v')))).toEqual(bytes('v'));
    expect(() => cipher.seal('k', new Uint8Array(maxPackedPlaintextBytes + 1))).toThrow(
      expect.objectContaining({ code: 'keyring.too_large' }),
    );
  });

  it('never carry the plaintext, and two seals of one value share nothing but the header', async () => {
    const cipher = await keyring.cipher(scope);
    const one = cipher.seal('k', bytes('the same value'));
    const two = cipher.seal('k', bytes('the same value'));

    expect(one.includes('the same')).toBe(false);
    for (const [from, to] of [
      [wrappedAt, nonceAt],
      [nonceAt, bodyAt],
      [bodyAt, one.length],
    ] as const) {
      expect(one.subarray(from, to)).not.toEqual(two.subarray(from, to));
    }
  });

  it('are AES-256-GCM with the associated data of the keyring, opened by its slow half', () => {
    const kek = Buffer.alloc(32, 7);
    const held = heldKek(scope, 3, kek, 0);
    const keks = { ...noKeks(), byVersion: new Map([[3, held]]), newest: held };
    const entropy = { bytes: (size: number) => seededRandom(5).bytes(size) };
    const sealed = createScopeCipher(scope, keks, entropy, async () => undefined).seal('ä/b', bytes('value'));
    const frame = (...parts: string[]): Buffer =>
      Buffer.concat(
        parts.flatMap((part) => {
          const size = Buffer.alloc(4);
          size.writeUInt32BE(Buffer.byteLength(part));
          return [size, Buffer.from(part)];
        }),
      );

    const dekAad = frame('sallyport/keyring/v1/packed-dek', scope, '3', 'ä/b');
    const dek = unwrapKey(kek, dekAad, sealed.subarray(wrappedAt, nonceAt)) ?? Buffer.alloc(0);
    const recordAad = frame('sallyport/keyring/v1/packed-record', scope, 'ä/b');
    const plaintext = decryptBytes(dek, sealed.subarray(nonceAt, bodyAt), recordAad, sealed.subarray(bodyAt));

    expect(sealed.subarray(0, wrappedAt)).toEqual(Buffer.of(1, 0, 0, 0, 3));
    expect(Buffer.from(plaintext ?? [])).toEqual(bytes('value'));
    expect(held.key.equals(createSecretKey(kek))).toBe(true);
  });
});

describe('the cipher of a scope', () => {
  it('is one per scope, and opens after a restart what it sealed before', async () => {
    const [one, two] = await Promise.all([keyring.cipher(scope), keyring.cipher(scope)]);
    const sealed = one.seal('k', bytes('value'));
    await keyring.close();
    const next = newKeyring(2);
    await next.open();

    expect(one).toBe(two);
    expect((await next.cipher(scope)).open('k', sealed)).toEqual(bytes('value'));
  });

  it('throws keyring.closed from the moment the keyring is closed, also what was handed out', async () => {
    const cipher = await keyring.cipher(scope);
    const sealed = cipher.seal('k', bytes('value'));
    const pending = keyring.cipher('env:shop/dev');
    const closed = expect.objectContaining({ code: 'keyring.closed' });
    await keyring.close();

    expect(() => cipher.seal('k', bytes('value'))).toThrow(closed);
    expect(() => cipher.open('k', sealed)).toThrow(closed);
    expect(() => cipher.rewrap('k', sealed)).toThrow(closed);
    expect(() => cipher.newestVersion).toThrow(closed);
    await expect(cipher.refresh()).rejects.toEqual(closed);
    await expect(pending.then((late) => late.seal('k', bytes('v')))).rejects.toEqual(closed);
    await expect(keyring.cipher(scope)).rejects.toEqual(closed);
  });

  it('opens again what it opened before, at its own address only, however much came between', async () => {
    const cipher = await keyring.cipher(scope);
    const one = cipher.seal('one', bytes('first'));
    const two = cipher.seal('two', bytes('second'));
    const forged = Buffer.concat([one.subarray(0, nonceAt), two.subarray(nonceAt)]);
    const flipped = Array.from(one, (_, at) =>
      Buffer.from(one.map((byte, n) => (n === at ? byte ^ 1 : byte))),
    );

    for (let round = 0; round < 2; round += 1) {
      expect([cipher.open('one', one), cipher.open('two', two)]).toEqual([bytes('first'), bytes('second')]);
      expect([cipher.open('two', one), cipher.open('one', two)]).toEqual([undefined, undefined]);
      expect([cipher.open('one', forged), cipher.open('two', forged)]).toEqual([undefined, undefined]);
      for (const each of flipped) expect(cipher.open('one', each)).toBeUndefined();
      expect(cipher.open('one', one.subarray(0, -1))).toBeUndefined();
      expect(cipher.open('one', Buffer.concat([one, Buffer.of(0)]))).toBeUndefined();
      for (let n = 0; n < 3000; n += 1) {
        expect(cipher.open(`${n}`, cipher.seal(`${n}`, bytes(`value ${n}`)))).toEqual(bytes(`value ${n}`));
      }
    }
  });

  it('refuses a scope that is none', async () => {
    await expect(keyring.cipher('env:shop')).rejects.toMatchObject({ code: 'keyring.scope' });
  });

  it('stops when the generator repeats', async () => {
    const fresh = seededRandom(3);
    let stuck = false;
    const random = { bytes: (size: number) => (stuck ? seededRandom(4).bytes(size) : fresh.bytes(size)) };
    keyring = newKeyring(1, { random });
    await keyring.open();
    const cipher = await keyring.cipher(scope);
    stuck = true;
    const sealed = cipher.seal('k', bytes('value'));

    expect(() => cipher.seal('k', bytes('value'))).toThrow(
      expect.objectContaining({ code: 'keyring.random_failed' }),
    );
    expect(cipher.open('k', sealed)).toEqual(bytes('value'));
  });
});

describe('rotation under a cipher', () => {
  it('is taken over by refresh; old records open, and rewrap moves them without touching the ciphertext', async () => {
    const cipher = await keyring.cipher(scope);
    const old = cipher.seal('k', bytes('value'));
    await keyring.rotate(scope, admin);
    await cipher.refresh();

    const moved = cipher.rewrap('k', old);

    expect(cipher.newestVersion).toBe(2);
    expect(cipher.open('k', old)).toEqual(bytes('value'));
    expect(cipher.keyVersionOf(cipher.seal('k', bytes('x')))).toBe(2);
    expect(cipher.keyVersionOf(moved)).toBe(2);
    expect(moved.subarray(nonceAt)).toEqual(old.subarray(nonceAt));
    expect(cipher.open('k', moved)).toEqual(bytes('value'));
    expect(() => cipher.rewrap('other', old)).toThrow(
      expect.objectContaining({ code: 'keyring.decrypt_failed' }),
    );
  });

  it('by another process shows as a higher version that opens after refresh', async () => {
    const cipher = await keyring.cipher(scope);
    const other = newKeyring(2);
    await other.open();
    await other.rotate(scope, admin);
    const sealed = (await other.cipher(scope)).seal('k', bytes('value'));

    expect(cipher.open('k', sealed)).toBeUndefined();
    expect(cipher.keyVersionOf(sealed)).toBeGreaterThan(cipher.newestVersion);
    await cipher.refresh();
    expect(cipher.open('k', sealed)).toEqual(bytes('value'));
  });

  it('of the root key leaves ciphers and their records as they are', async () => {
    const cipher = await keyring.cipher(scope);
    const sealed = cipher.seal('k', bytes('value'));
    await keyring.rotateRoot(admin);
    await cipher.refresh();

    expect(cipher.open('k', sealed)).toEqual(bytes('value'));
    expect((await keyring.cipher('env:shop/dev')).newestVersion).toBe(1);
  });

  it('happens by itself when the key was used too often, while the cipher goes on', async () => {
    const cipher = await keyring.cipher(scope);
    const old = cipher.seal('k', bytes('value'));
    await execute(`update keyring_keks set uses = ${maxUses - 3} where scope = '${scope}'`);
    cipher.seal('k', bytes('second'));
    await keyring.rewrapSome();
    expect([cipher.newestVersion, await storedUses(1)]).toEqual([1, maxUses - 1]);

    cipher.seal('k', bytes('third'));
    await keyring.rewrapSome();

    expect([cipher.newestVersion, await storedUses(1)]).toEqual([2, maxUses]);
    expect(cipher.open('k', old)).toEqual(bytes('value'));
  });

  it('that fails for hours stops sealing before the limit, and opening goes on', async () => {
    const cipher = await keyring.cipher(scope);
    const sealed = cipher.seal('k', bytes('value'));
    const failing = newKeyring(7, { audit: { record: () => Promise.reject(new Error('disk full')) } });
    await failing.open();
    const stopped = await failing.cipher(scope);
    await execute(`update keyring_keks set uses = ${stopUses - 1} where scope = '${scope}'`);
    await stopped.refresh();
    await failing.rewrapSome();

    stopped.seal('k', bytes('the last'));

    const exhausted = expect.objectContaining({ code: 'keyring.kek_exhausted' });
    expect(() => stopped.seal('k', bytes('one more'))).toThrow(exhausted);
    expect(() => stopped.rewrap('k', sealed)).toThrow(exhausted);
    expect(stopped.open('k', sealed)).toEqual(bytes('value'));
  });

  it('counts every seal and rewrap, and stores the counts on close', async () => {
    const cipher = await keyring.cipher(scope);
    const sealed = cipher.seal('k', bytes('value'));
    cipher.rewrap('k', sealed);
    cipher.open('k', sealed);
    await keyring.close();

    expect(await storedUses(1)).toBe(2);
  });

  it('leaves a scope usable whose old key was damaged, and refuses one whose newest was', async () => {
    const cipher = await keyring.cipher(scope);
    const old = cipher.seal('k', bytes('old'));
    await keyring.rotate(scope, admin);
    await cipher.refresh();
    const young = cipher.seal('k', bytes('young'));
    await keyring.close();
    await execute(`update keyring_keks set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)
      where version = 1`);
    const next = newKeyring(2);
    await next.open();
    const after = await next.cipher(scope);

    expect(after.open('k', old)).toBeUndefined();
    expect(after.open('k', young)).toEqual(bytes('young'));
    await next.close();
    await execute(`update keyring_keks set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)`);
    const last = newKeyring(3);
    await last.open();
    await expect(last.cipher(scope)).rejects.toMatchObject({ code: 'keyring.decrypt_failed' });
  });
});
