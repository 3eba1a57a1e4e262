import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { type Digest, digestOf, parseTrustRoot, sha256, toHex, utf8, verifyBundle } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLedger, type Ledger, ledgerMigrations } from '#ledger';
import type { Db } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, inTx, silentLog } from '../../test-support/fakes.ts';
import {
  createSigning,
  type EvidenceLog,
  type EvidenceSigner,
  type SealRequest,
  type Signing,
  signingAudited,
  signingMigrations,
} from './index.ts';

function newSigner(kind: 'ec' | 'ed25519' = 'ec'): EvidenceSigner {
  const { privateKey, publicKey } =
    kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const publicKeySpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const algorithm = kind === 'ec' ? 'sha256' : null;
  return {
    keyId: toHex(sha256(publicKeySpki)),
    publicKeySpki,
    sign: (bytes) => new Uint8Array(signBytes(algorithm, bytes, privateKey)),
  };
}

let test: TestDb;
let ledger: Ledger;
let signer: EvidenceSigner;
const logSigner = newSigner('ed25519');
const ids = countingIds();
const clock = fixedClock();
const subject: Digest = digestOf(utf8('image'));

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, ...signingMigrations]);
});
afterAll(() => test.close());
beforeEach(async () => {
  await inTx(test.db, (tx) => sql`truncate signing_evidence, signing_keys, signing_trust_roots`.execute(tx));
  signer = newSigner();
  ledger = createLedger({
    db: test.db,
    clock,
    ids,
    signer: logSigner,
    origin: 'log.example',
    log: silentLog,
  });
});

class Crash extends Error {
  override readonly name = 'Crash';
}

/** Dies at one write: nothing of it is written ('before'), or all of it is and nobody hears of it ('after'). */
function faultyDb(db: Db, at = 0, mode: 'before' | 'after' = 'before'): Db & { writes(): number } {
  let count = 0;
  return {
    engine: db.engine,
    writes: () => count,
    read: (work) => db.read(work),
    statement: (work) => db.statement(work),
    write: async (work) => {
      count += 1;
      const fails = at === count;
      const result = await db.write(async (tx, afterCommit) => {
        const done = await work(tx, afterCommit);
        if (fails && mode === 'before') throw new Crash('before the commit');
        return done;
      });
      if (fails) throw new Crash('after the commit');
      return result;
    },
  };
}

interface Faults {
  readonly db?: Db;
  readonly log?: (real: EvidenceLog) => EvidenceLog;
  readonly attach?: (count: number) => void;
}

let attachments: string[] = [];
beforeEach(() => {
  attachments = [];
});

function newSigning(faults: Faults = {}): Signing {
  return createSigning({
    db: faults.db ?? test.db,
    audit: ledger,
    clock,
    ids,
    ledger: faults.log?.(ledger) ?? ledger,
    signer: async () => signer,
    attach: async (ociRepository, _subject, _predicateType, bundle) => {
      faults.attach?.(attachments.length);
      attachments.push(`${ociRepository} ${digestOf(utf8(bundle))}`);
    },
    identityUris: {
      installation: 'test',
      builderId: 'https://ci.example/builder',
      verifierId: 'https://ci.example/verifier',
      log: { origin: 'log.example', baseUrl: 'https://log.example/', publicKeySpki: logSigner.publicKeySpki },
    },
  });
}

function request(key: string, more: Partial<SealRequest> = {}): SealRequest {
  return {
    key,
    subject: { name: 'shop/orders', digest: subject },
    predicateType: 'https://example.com/test/v1',
    predicate: { answer: 42 },
    ociRepository: 'shop/orders',
    ...more,
  };
}

async function leaves(): Promise<number> {
  while ((await ledger.integrate()) > 0);
  const rows = await inTx(test.db, (tx) =>
    sql<{ count: number }>`select count(distinct entry_id)::int as count from signing_evidence`.execute(tx),
  );
  return rows.rows[0]?.count ?? 0;
}

describe('seal', () => {
  it('gives a bundle that a stranger verifies with the trust root alone', async () => {
    const signing = newSigning();

    const evidence = await signing.seal(request('run_1/test'));

    const verified = verifyBundle(evidence.bundle, parseTrustRoot(await signing.trustRoot()));
    expect(verified).toMatchObject({
      subject,
      bundleDigest: evidence.bundleDigest,
      logIndex: evidence.logIndex,
      predicateType: 'https://example.com/test/v1',
    });
    expect(verified.statement.predicate).toEqual({ answer: 42 });
    expect(attachments).toEqual([`shop/orders ${evidence.bundleDigest}`]);
  });

  it('gives the same evidence for the same key, and attaches it once', async () => {
    const signing = newSigning();

    const [first, second, third] = await Promise.all([
      signing.seal(request('k')),
      signing.seal(request('k')),
      newSigning().seal(request('k')),
    ]);
    const again = await signing.seal(request('k'));

    expect(new Set([first, second, third, again].map((each) => each?.bundle)).size).toBe(1);
    expect(new Set(attachments).size).toBe(1);
    expect(await signing.list(subject)).toHaveLength(1);
  });

  it('refuses another content under a key that is taken', async () => {
    const signing = newSigning();
    await signing.seal(request('k'));

    await expect(signing.seal(request('k', { predicate: { answer: 43 } }))).rejects.toMatchObject({
      code: 'signing.key_reused',
    });
  });

  it('keeps a bundle that does not verify from ever being stored', async () => {
    const wrong = newSigning({
      log: (real) => ({
        ...real,
        proofFor: async (id) => ({ ...(await real.proofFor(id)), rootHash: new Uint8Array(32) }),
      }),
    });

    await expect(wrong.seal(request('k'))).rejects.toMatchObject({ kind: 'integrity' });

    expect(await newSigning().list(subject)).toEqual([]);
    expect(attachments).toEqual([]);
  });

  it('lists evidence in the order of the log', async () => {
    const signing = newSigning();
    for (const key of ['c', 'a', 'b']) await signing.seal(request(key));

    const listed = await signing.list(subject);

    expect(listed.map((each) => each.key)).toEqual(['c', 'a', 'b']);
    expect(listed.map((each) => each.logIndex)).toEqual(
      listed.map((each) => each.logIndex).sort((a, b) => a - b),
    );
  });

  it('leaves rows that the ledger agrees with, and shows a changed one', async () => {
    const { id } = await newSigning().seal(request('k'));
    while ((await ledger.integrate()) > 0);
    const findings = async () => {
      const report = await ledger.verify(signingAudited());
      return report.findings.filter((finding) => JSON.stringify(finding).includes(id));
    };
    expect(await findings()).toEqual([]);

    await inTx(test.db, (tx) => sql`update signing_evidence set bundle = bundle || ' '`.execute(tx));

    expect(await findings()).toHaveLength(1);
  });
});

describe('a crash', () => {
  const interruptions: [string, (crash: { fired: boolean }) => Faults][] = [
    ...([1, 2, 3, 4] as const).flatMap((at) =>
      (['before', 'after'] as const).map((mode): [string, () => Faults] => [
        `write ${at} ${mode} its commit`,
        () => ({ db: faultyDb(test.db, at, mode) }),
      ]),
    ),
    ['before the proof', () => ({ log: (real) => ({ ...real, proofFor: crash }) })],
    [
      'after the proof',
      () => ({
        log: (real) => ({
          ...real,
          proofFor: (id) => real.proofFor(id).then(crash),
        }),
      }),
    ],
    ['while attaching', () => ({ attach: () => crash() })],
  ];

  function crash(): never {
    throw new Crash('killed');
  }

  it.each(interruptions)('at %s loses nothing and signs nothing twice', async (_name, faultsOf) => {
    const failing = newSigning(faultsOf({ fired: false }));
    await failing.seal(request('k')).catch((error: unknown) => {
      if (!(error instanceof Crash)) throw error;
    });
    const signedBefore = await inTx(test.db, (tx) =>
      sql<{ signature: Uint8Array }>`select signature from signing_evidence`.execute(tx),
    );

    // A new process: first what its start does, then the caller that repeats itself.
    const signing = newSigning();
    await signing.resume();
    const evidence = await signing.seal(request('k'));

    verifyBundle(evidence.bundle, parseTrustRoot(await signing.trustRoot()), { expectSubject: subject });
    expect(await leaves()).toBe(1);
    expect(await signing.resume()).toBe(0);
    const after = await inTx(test.db, (tx) =>
      sql<{ signature: Uint8Array }>`select signature from signing_evidence`.execute(tx),
    );
    expect(after.rows).toHaveLength(1);
    if (signedBefore.rows.length === 1) expect(after.rows).toEqual(signedBefore.rows);
    expect(new Set(attachments)).toEqual(new Set([`shop/orders ${evidence.bundleDigest}`]));
  });

  it('covers every write of a seal', async () => {
    const counting = faultyDb(test.db);

    await newSigning({ db: counting }).seal(request('k'));

    // sign, first trust root, seal, attached: with another number the table above has a hole.
    expect(counting.writes()).toBe(4);
  });

  it('in one piece of evidence does not keep others from being finished', async () => {
    let broken = true;
    const attach = () => {
      if (broken) throw new Error('the registry is away');
    };
    await expect(newSigning({ attach }).seal(request('a'))).rejects.toThrow('away');
    await expect(newSigning({ attach }).seal(request('b'))).rejects.toThrow('away');
    await expect(
      newSigning({
        attach: (count) => {
          if (count === 0) {
            attachments.push('x');
            throw new Error('away');
          }
        },
      }).resume(),
    ).rejects.toThrow('away');

    broken = false;

    expect(await newSigning({ attach }).resume()).toBe(1);
  });
});

describe('trust root', () => {
  it('is the same bytes until something in it changes', async () => {
    const signing = newSigning();

    const first = await signing.trustRoot();

    expect(await newSigning().trustRoot()).toBe(first);
    await signing.seal(request('k'));
    expect(await signing.trustRoot()).toBe(first);
  });

  it('keeps old bundles verifiable after a rotation, and binds the old key to its time', async () => {
    const signing = newSigning();
    const old = await signing.seal(request('old'));
    const retired = signer;
    clock.advance(60_000);
    signer = newSigner();

    const fresh = await signing.seal(request('fresh'));

    const trust = parseTrustRoot(await signing.trustRoot());
    verifyBundle(old.bundle, trust);
    verifyBundle(fresh.bundle, trust);
    expect(trust.keys.map((key) => [key.hint, key.validUntil !== undefined, key.retired?.logIndex])).toEqual([
      [retired.keyId, true, old.logIndex + 1],
      [signer.keyId, false, undefined],
    ]);
    signer = retired;
    await expect(signing.seal(request('late'))).rejects.toMatchObject({ code: 'signing.key_retired' });
  });

  it('does not call a key ended while something it signed is on its way', async () => {
    const crashing = newSigning({
      log: (real) => ({
        ...real,
        proofFor: () => Promise.reject(new Crash('killed')),
      }),
    });
    await expect(crashing.seal(request('old'))).rejects.toThrow(Crash);
    clock.advance(1000);
    signer = newSigner();
    const signing = newSigning();
    await signing.seal(request('fresh'));
    expect(parseTrustRoot(await signing.trustRoot()).keys[0]?.retired).toBeUndefined();

    expect(await signing.resume()).toBe(1);

    const trust = parseTrustRoot(await signing.trustRoot());
    expect(trust.keys[0]?.retired).toBeDefined();
    for (const each of await signing.list(subject)) verifyBundle(each.bundle, trust);
  });
});
