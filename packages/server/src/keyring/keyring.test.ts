import { createPublicKey, verify } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Audit, Db, Random, Tx } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  inTx,
  type RecordingAudit,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import {
  createKeyring,
  type HeldRecord,
  type Keyring,
  keyringMigrations,
  type Seal,
  type SealedRecord,
} from './index.ts';
import { maxUses } from './keks.ts';

let test: TestDb;
let db: Db;
let audit: RecordingAudit;
let keyring: Keyring;
const admin = { kind: 'person', id: 'psn_admin' } as const;

/** Keeps the contract of a seal in memory: opens exactly what it sealed. Shared by the keyrings of one database. */
function memorySeal(): Seal & { readonly sealed: Map<string, Uint8Array> } {
  const sealed = new Map<string, Uint8Array>();
  return {
    kind: 'memory',
    sealed,
    wrap: async (root) => {
      const handle = new Uint8Array(8).fill(sealed.size + 1);
      sealed.set(handle.join(), Uint8Array.from(root.expose()));
      return handle;
    },
    unwrap: async (handle) => SecretBytes.from(sealed.get(handle.join()) ?? new Uint8Array(0)),
  };
}

let seal = memorySeal();

function newKeyring(
  seed: number,
  more: { audit?: Audit; random?: Random; seal?: Seal; db?: Db } = {},
): Keyring {
  const random = more.random ?? seededRandom(seed);
  return createKeyring({
    db,
    audit,
    clock: fixedClock(),
    ids: countingIds(),
    seal,
    log: silentLog,
    ...more,
    random,
  });
}

const secret = (text: string): SecretBytes => SecretBytes.fromUtf8(text);
const encrypt = (scope: string, address: string, text: string): Promise<SealedRecord> =>
  inTx(db, (tx) => keyring.encrypt(tx, scope, address, secret(text)));
const decrypt = async (scope: string, address: string, record: SealedRecord): Promise<string> =>
  (await db.read((tx) => keyring.decrypt(tx, scope, address, record))).exposeUtf8();
const execute = (statement: string): Promise<unknown> => inTx(db, (tx) => sql.raw(statement).execute(tx));

beforeAll(async () => {
  test = await openTestDb(keyringMigrations);
  db = test.db;
});
afterAll(() => test.close());
beforeEach(async () => {
  await execute('truncate keyring_signers, keyring_keks, keyring_root');
  seal = memorySeal();
  audit = recordingAudit();
  keyring = newKeyring(1);
  await keyring.open();
});

const scope = 'env:shop/prod';
const refused = { kind: 'integrity', code: 'keyring.decrypt_failed' };

describe('encrypt and decrypt', () => {
  it('gives back exactly what was encrypted, for every plaintext and address', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
        async (bytes, address) => {
          const plaintext = SecretBytes.from(bytes);
          const record = await inTx(db, (tx) => keyring.encrypt(tx, scope, address, plaintext));
          const opened = await db.read((tx) => keyring.decrypt(tx, scope, address, record));
          expect(opened.equals(plaintext)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('never writes the plaintext, the DEK or the KEK anywhere in the record', async () => {
    const one = await encrypt(scope, 'db/password', 'the same text');
    const two = await encrypt(scope, 'db/password', 'the same text');

    expect(Buffer.from(one.ciphertext).includes('the same')).toBe(false);
    expect(one.ciphertext).not.toEqual(two.ciphertext);
    expect(one.wrappedKey).not.toEqual(two.wrappedKey);
    expect(one.nonce).not.toEqual(two.nonce);
  });

  it('refuses a record at another address, in another scope or under another version', async () => {
    const record = await encrypt(scope, 'db/password', 'a');
    await encrypt('env:shop/dev', 'db/password', 'b');
    await keyring.rotate(scope, admin);

    await expect(decrypt(scope, 'db/passwor', record)).rejects.toMatchObject(refused);
    await expect(decrypt('env:shop/dev', 'db/password', record)).rejects.toMatchObject(refused);
    await expect(decrypt('env:shop/never', 'db/password', record)).rejects.toMatchObject(refused);
    await expect(decrypt('nonsense', 'db/password', record)).rejects.toMatchObject(refused);
    for (const keyVersion of [2, 3, 0, -1, 1.5, Number.NaN, 2 ** 31, 2 ** 60]) {
      await expect(decrypt(scope, 'db/password', { ...record, keyVersion })).rejects.toMatchObject(refused);
    }
    expect(await decrypt(scope, 'db/password', record)).toBe('a');
  });

  it('refuses parts of two records put together, also of the same address', async () => {
    const one = await encrypt(scope, 'db/password', 'old password');
    const two = await encrypt(scope, 'db/password', 'new password');

    for (const part of ['wrappedKey', 'nonce', 'ciphertext'] as const) {
      await expect(decrypt(scope, 'db/password', { ...two, [part]: one[part] })).rejects.toMatchObject(
        refused,
      );
    }
  });

  it('refuses every truncation, extension and flipped bit with one and the same message', async () => {
    const record = await encrypt(scope, 'k', 'value');
    const messages = new Set<string>();
    const attempt = async (changed: SealedRecord) => {
      const error = await decrypt(scope, 'k', changed).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject(refused);
      messages.add(String(error) + Object.keys((error as Error).cause ?? {}).join());
    };

    for (const part of ['wrappedKey', 'nonce', 'ciphertext'] as const) {
      const bytes = record[part];
      for (let size = 0; size < bytes.length; size += 1)
        await attempt({ ...record, [part]: bytes.slice(0, size) });
      await attempt({ ...record, [part]: Uint8Array.of(...bytes, 0) });
      for (let bit = 0; bit < bytes.length * 8; bit += 3) {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await attempt({ ...record, [part]: changed });
      }
    }
    expect(messages.size).toBe(1);
  });

  it('refuses a KEK row that was changed or copied from another scope or version', async () => {
    const record = await encrypt(scope, 'k', 'v');
    const other = await encrypt('env:shop/dev', 'k', 'v');
    await keyring.rotate(scope, admin);

    await execute(`update keyring_keks set wrapped = (select wrapped from keyring_keks where scope = '${scope}' and version = 1)
      where scope = 'env:shop/dev' or version = 2`);
    await expect(decrypt('env:shop/dev', 'k', other)).rejects.toMatchObject(refused);
    await expect(encrypt(scope, 'k', 'v')).rejects.toMatchObject(refused);
    expect(await decrypt(scope, 'k', record)).toBe('v');
    await execute('update keyring_keks set wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20))');
    await expect(decrypt(scope, 'k', record)).rejects.toMatchObject(refused);
  });

  it('refuses names it does not know and plaintexts beyond its limit', async () => {
    for (const bad of ['', 'env:a', 'env:a/b/c', 'ENV:a/b', 'system ', 'env:../b']) {
      await expect(encrypt(bad, 'k', 'v')).rejects.toMatchObject({ code: 'keyring.scope' });
    }
    for (const bad of ['', 'x'.repeat(1001), '\ud800']) {
      await expect(encrypt(scope, bad, 'v')).rejects.toMatchObject({ code: 'keyring.address' });
    }
    const large = SecretBytes.from(new Uint8Array(1024 * 1024 + 1));
    await expect(inTx(db, (tx) => keyring.encrypt(tx, scope, 'k', large))).rejects.toMatchObject({
      code: 'keyring.too_large',
    });
  });
});

describe('the key of a scope', () => {
  it('is one, when two keyrings on one database use the scope for the first time together', async () => {
    const other = newKeyring(2);
    await other.open();

    const records = await Promise.all(
      [keyring, other, keyring, other, other, keyring].map((one, i) =>
        inTx(db, (tx) => one.encrypt(tx, scope, `k${i}`, secret(`v${i}`))),
      ),
    );

    for (const [i, record] of records.entries()) {
      expect(record.keyVersion).toBe(1);
      for (const one of [keyring, other]) {
        expect((await db.read((tx) => one.decrypt(tx, scope, `k${i}`, record))).exposeUtf8()).toBe(`v${i}`);
      }
    }
    expect(audit.events.filter((event) => event.resource === `kek/${scope}/1`)).toHaveLength(1);
  });

  it('is made anew when the transaction that made it rolled back', async () => {
    const lost = inTx(db, async (tx) => {
      await keyring.encrypt(tx, scope, 'k', secret('lost'));
      throw new Error('the caller fails');
    });
    await expect(lost).rejects.toThrow('the caller fails');

    const record = await encrypt(scope, 'k', 'kept');
    expect(await decrypt(scope, 'k', record)).toBe('kept');
  });

  it('does not exist when its audit record could not be written', async () => {
    const failing: Audit = { record: async () => Promise.reject(new Error('the disk is full')) };
    const other = newKeyring(3, { audit: failing });
    await other.open();

    await expect(inTx(db, (tx) => other.encrypt(tx, scope, 'k', secret('v')))).rejects.toThrow(
      'disk is full',
    );
    await expect(other.signer('oidc')).rejects.toThrow('disk is full');
    const rows = await db.read((tx) => sql`select 1 from keyring_keks`.execute(tx));
    expect(rows.rows).toHaveLength(0);
  });

  it('is rotated on its own before it is used 2^32 times, and counts survive a restart', async () => {
    await encrypt(scope, 'k', 'v');
    await encrypt(scope, 'k', 'v');
    await keyring.close();
    await execute(`update keyring_keks set uses = uses + ${maxUses - 3}`);
    await keyring.open();

    expect((await encrypt(scope, 'k', 'last')).keyVersion).toBe(1);
    expect((await encrypt(scope, 'k', 'first')).keyVersion).toBe(2);
    expect(maxUses).toBeLessThan(2 ** 32);
  });
});

describe('rotation', () => {
  /** A holder that keeps records in memory; strict about what it is asked to replace. */
  function memoryHolder(name: string, held: Map<string, { address: string; record: SealedRecord }>) {
    return {
      name,
      listOlderThan: async (
        _tx: Tx,
        inScope: string,
        keyVersion: number,
        limit: number,
      ): Promise<HeldRecord[]> =>
        inScope !== scope
          ? []
          : [...held]
              .map(([id, one]) => ({ id, ...one }))
              .filter((one) => one.record.keyVersion < keyVersion)
              .slice(0, limit),
      replace: async (_tx: Tx, id: string, wrapped: Pick<SealedRecord, 'keyVersion' | 'wrappedKey'>) => {
        const one = held.get(id);
        if (one === undefined) throw new Error(`no record ${id}`);
        held.set(id, { ...one, record: { ...one.record, ...wrapped } });
      },
    };
  }

  it('moves every record to the new key, batch by batch, without touching a ciphertext', async () => {
    const held = new Map<string, { address: string; record: SealedRecord }>();
    for (let i = 0; i < 230; i += 1) {
      held.set(`${i}`, { address: `k${i}`, record: await encrypt(scope, `k${i}`, `v${i}`) });
    }
    const before = new Map(held);
    keyring.addHolder(memoryHolder('memory', held));

    expect(await keyring.rotate(scope, admin)).toEqual({ version: 2 });
    const moved = [await keyring.rewrapSome(), await keyring.rewrapSome(), await keyring.rewrapSome()];

    expect(moved).toEqual([100, 100, 30]);
    expect(await keyring.rewrapSome()).toBe(0);
    for (const [id, { address, record }] of held) {
      expect(record.keyVersion).toBe(2);
      expect(record.ciphertext).toBe(before.get(id)?.record.ciphertext);
      expect(await decrypt(scope, address, record)).toBe(`v${id}`);
    }
    // Whoever read a row before it moved still opens it.
    const old = before.get('7');
    expect(old && (await decrypt(scope, old.address, old.record))).toBe('v7');
  });

  it('passes over records that do not open, however many, and moves the rest', async () => {
    const held = new Map<string, { address: string; record: SealedRecord }>();
    for (let i = 0; i < 150; i += 1) {
      const record = await encrypt(scope, `k${i}`, `v${i}`);
      held.set(`${i}`, {
        address: `k${i}`,
        record: i < 120 ? { ...record, wrappedKey: new Uint8Array(60) } : record,
      });
    }
    keyring.addHolder(memoryHolder('memory', held));
    await keyring.rotate(scope, admin);

    const moved = [await keyring.rewrapSome(), await keyring.rewrapSome(), await keyring.rewrapSome()];

    expect(moved.reduce((sum, some) => sum + some, 0)).toBe(30);
    expect(await keyring.rewrapSome()).toBe(0);
  });

  it('refuses to rotate a scope that has no key', async () => {
    await expect(keyring.rotate(scope, admin)).rejects.toMatchObject({
      kind: 'not_found',
      code: 'keyring.no_key',
    });
  });

  it('replaces the root key while another keyring goes on with the old one in memory', async () => {
    const other = newKeyring(5);
    await other.open();
    const record = await encrypt(scope, 'k', 'v');
    const signer = await keyring.signer('log');

    expect(await keyring.rotateRoot(admin)).toEqual({ version: 2 });
    expect(await other.rotateRoot(admin)).toEqual({ version: 3 });

    for (const one of [keyring, other]) {
      expect((await db.read((tx) => one.decrypt(tx, scope, 'k', record))).exposeUtf8()).toBe('v');
      await inTx(db, (tx) => one.encrypt(tx, 'env:shop/dev', 'k', secret('w')));
    }
    const fresh = newKeyring(6);
    await fresh.open();
    expect((await fresh.signer('log')).keyId).toBe(signer.keyId);
    const rows = await db.read((tx) =>
      sql<{ version: number }>`select version from keyring_root`.execute(tx),
    );
    expect(rows.rows).toEqual([{ version: 3 }]);
  });

  it('leaves the old root in use when the rotation cannot be recorded', async () => {
    const record = await encrypt(scope, 'k', 'v');
    let failing = false;
    const half: Audit = {
      record: async (tx, event) => {
        if (failing) throw new Error('the disk is full');
        await audit.record(tx, event);
      },
    };
    const other = newKeyring(7, { audit: half });
    await other.open();
    failing = true;

    await expect(other.rotateRoot(admin)).rejects.toThrow('disk is full');

    expect((await db.read((tx) => other.decrypt(tx, scope, 'k', record))).exposeUtf8()).toBe('v');
    const fresh = newKeyring(8);
    await fresh.open();
    expect((await db.read((tx) => fresh.decrypt(tx, scope, 'k', record))).exposeUtf8()).toBe('v');
  });
});

describe('opening and closing', () => {
  it('makes one root key when two keyrings start on an empty database together', async () => {
    await execute('truncate keyring_signers, keyring_keks, keyring_root');
    const both = [newKeyring(11), newKeyring(12)] as const;
    await Promise.all(both.map((one) => one.open()));

    const record = await inTx(db, (tx) => both[0].encrypt(tx, scope, 'k', secret('v')));

    expect((await db.read((tx) => both[1].decrypt(tx, scope, 'k', record))).exposeUtf8()).toBe('v');
  });

  /** Fails a transaction before or after its commit, at the n-th write: what a crash or a lost connection leaves. */
  function failingDb(n: number, written: boolean): Db {
    let writes = 0;
    return {
      engine: db.engine,
      read: db.read,
      statement: db.statement,
      write: async (work) => {
        writes += 1;
        if (writes !== n) return db.write(work);
        if (written) await db.write(work);
        throw new Error('the connection was lost');
      },
    };
  }

  it.each([
    { n: 1, written: false },
    { n: 1, written: true },
    { n: 2, written: false },
    { n: 2, written: true },
  ])('goes on after write $n failed (written: $written)', async ({ n, written }) => {
    await execute('truncate keyring_signers, keyring_keks, keyring_root');
    const first = newKeyring(20, { db: failingDb(n, written) });
    const attempt = async () => {
      await first.open();
      await first.signer('evidence');
    };
    await expect(attempt()).rejects.toThrow('connection was lost');

    const second = newKeyring(21);
    await second.open();
    const signer = await second.signer('evidence');
    const third = newKeyring(22);
    await third.open();
    expect((await third.signer('evidence')).keyId).toBe(signer.keyId);
  });

  it.each([false, true])(
    'opens everything after a root rotation was interrupted (written: %s)',
    async (written) => {
      const record = await encrypt(scope, 'k', 'v');
      const one = newKeyring(23, { db: failingDb(1, written) });
      await one.open();

      await expect(one.rotateRoot(admin)).rejects.toThrow('connection was lost');

      const fresh = newKeyring(24);
      await fresh.open();
      for (const each of [one, keyring, fresh]) {
        expect((await db.read((tx) => each.decrypt(tx, scope, 'k', record))).exposeUtf8()).toBe('v');
      }
    },
  );

  it('refuses another kind of seal, and a seal that gives another key', async () => {
    await encrypt(scope, 'k', 'v');
    const otherKind = newKeyring(1, { seal: { ...seal, kind: 'pkcs11' } });
    await expect(otherKind.open()).rejects.toMatchObject({ code: 'keyring.seal_mismatch' });

    const wrongKey = newKeyring(1, {
      seal: { ...seal, unwrap: async () => SecretBytes.from(new Uint8Array(32).fill(9)) },
    });
    await wrongKey.open();
    await expect(inTx(db, (tx) => wrongKey.encrypt(tx, scope, 'k', secret('v')))).rejects.toMatchObject(
      refused,
    );
  });

  it('does nothing after close, and wipes what it held', async () => {
    const unwrapped: SecretBytes[] = [];
    const watched: Seal = {
      ...seal,
      unwrap: async (sealed) => {
        const root = await seal.unwrap(sealed);
        unwrapped.push(root);
        return root;
      },
    };
    const one = newKeyring(1, { seal: watched });
    await one.open();
    const record = await inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')));
    const signer = await one.signer('log');

    await one.close();

    expect(unwrapped.length).toBeGreaterThan(0);
    for (const root of unwrapped) expect(() => root.expose()).toThrow('wiped');
    const closed = { kind: 'unavailable', code: 'keyring.closed' };
    await expect(db.read((tx) => one.decrypt(tx, scope, 'k', record))).rejects.toMatchObject(closed);
    await expect(inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')))).rejects.toMatchObject(closed);
    await expect(one.signer('log')).rejects.toMatchObject(closed);
    await expect(one.rotateRoot(admin)).rejects.toMatchObject(closed);
    expect(() => signer.sign(new Uint8Array(1))).toThrow('closed');
  });
});

describe('a random generator that repeats', () => {
  it.each([
    ['gives one value for ever', () => new Uint8Array(64).map((_, i) => i)],
    ['gives zeros', () => new Uint8Array(64)],
  ])('stops the keyring when it %s', async (_name, value) => {
    let good = true;
    const honest = seededRandom(30);
    const rogue: Random = { bytes: (size) => (good ? honest.bytes(size) : value().slice(0, size)) };
    const one = newKeyring(0, { random: rogue });
    await one.open();
    const record = await inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')));
    good = false;

    const failed = { code: 'keyring.random_failed' };
    await expect(inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')))).rejects.toMatchObject(failed);
    good = true;
    await expect(inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')))).rejects.toMatchObject(failed);
    expect((await db.read((tx) => one.decrypt(tx, scope, 'k', record))).exposeUtf8()).toBe('v');
  });

  it('stops the keyring when it starts over, as a cloned machine does, or gives too little', async () => {
    let source = seededRandom(31);
    const one = newKeyring(0, { random: { bytes: (size) => source.bytes(size) } });
    await one.open();
    await inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')));
    source = seededRandom(31);
    await expect(inTx(db, (tx) => one.encrypt(tx, scope, 'k', secret('v')))).rejects.toMatchObject({
      code: 'keyring.random_failed',
    });

    await execute('truncate keyring_signers, keyring_keks, keyring_root');
    const short = newKeyring(0, { random: { bytes: (size) => seededRandom(40).bytes(size - 1) } });
    await expect(short.open()).rejects.toMatchObject({ code: 'keyring.random_failed' });
  });
});

describe('signers', () => {
  it('are made once, also by two keyrings together, and sign with the algorithm of their purpose', async () => {
    const other = newKeyring(2);
    await other.open();
    for (const name of ['evidence', 'oidc', 'log'] as const) {
      const [one, two] = await Promise.all([keyring.signer(name), other.signer(name)]);

      expect(one.keyId).toBe(two.keyId);
      const message = Buffer.from('message');
      const key = createPublicKey({ key: Buffer.from(one.publicKeySpki), format: 'der', type: 'spki' });
      const hash = name === 'log' ? null : 'sha256';
      expect(verify(hash, message, key, two.sign(message))).toBe(true);
      expect(verify(hash, message, { key, dsaEncoding: 'ieee-p1363' }, one.signJose(message))).toBe(true);
      expect(one.signJose(message)).toHaveLength(64);
      expect(verify(hash, Buffer.from('massage'), key, two.sign(message))).toBe(false);
    }
  });

  it('keep their keys across restarts and rewraps', async () => {
    const before = await keyring.signer('evidence');
    await keyring.rotate('system', admin);
    expect(await keyring.rewrapSome()).toBe(1);

    const fresh = newKeyring(3);
    await fresh.open();
    expect((await fresh.signer('evidence')).keyId).toBe(before.keyId);
    const rows = await db.read((tx) => sql`select key_version from keyring_signers`.execute(tx));
    expect(rows.rows).toEqual([{ key_version: 2 }]);
  });

  it.each(['public_key', 'wrapped_key', 'nonce', 'ciphertext'])(
    'are refused when their %s was changed',
    async (column) => {
      await keyring.signer('evidence');
      await execute(
        `update keyring_signers set ${column} = set_byte(${column}, 5, 255 - get_byte(${column}, 5))`,
      );

      const fresh = newKeyring(3);
      await fresh.open();
      await expect(fresh.signer('evidence')).rejects.toMatchObject({ kind: 'integrity' });
    },
  );

  it('cannot be swapped for one another', async () => {
    await keyring.signer('evidence');
    await keyring.signer('oidc');
    await execute(`delete from keyring_signers where name = 'oidc'`);
    await execute(`update keyring_signers set name = 'oidc' where name = 'evidence'`);

    const fresh = newKeyring(3);
    await fresh.open();
    await expect(fresh.signer('oidc')).rejects.toMatchObject(refused);
  });
});

describe('what the ledger is told', () => {
  it('is the last state of every key, exactly as the audited tables give it', async () => {
    await encrypt(scope, 'k', 'v');
    await keyring.rotate(scope, admin);
    await keyring.rotateRoot(admin);
    await keyring.signer('log');

    const told = new Map(audit.events.map((event) => [event.resource, event.state] as const));
    for (const [resource, state] of told) if (state === null) told.delete(resource);
    const now = new Map(
      (await db.read((tx) => Promise.all(keyring.audited().map((table) => table.states(tx))))).flat(),
    );
    expect(now).toEqual(told);
    expect([...now.keys()].sort()).toEqual([
      `kek/${scope}/1`,
      `kek/${scope}/2`,
      'kek/system/1',
      'root-key/2',
      'signer/log',
    ]);
  });
});
