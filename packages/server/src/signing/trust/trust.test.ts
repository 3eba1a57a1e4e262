import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkpointKeyId,
  parseTuf,
  type SigstoreLog,
  sha256,
  signTrustRoot,
  toHex,
  tufRoot,
  utf8,
  verifyTuf,
  writeTuf,
} from '@sallyport/formats';
import { getTrustedRoot } from '@sigstore/tuf';
import { sql } from 'kysely';
import { Updater } from 'tuf-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLedger, type Ledger, ledgerMigrations } from '#ledger';
import type { Db } from '#platform';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { type FixedClock, fixedClock, inTx, silentLog } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { trustMigration } from './migrations.ts';
import { nextFiles } from './roles.ts';
import { trustRoutes } from './routes.ts';
import { createTrust, type Trust, trustAudited } from './trust.ts';

const dayMs = 86_400_000;

function newKey(kind: 'ec' | 'ed25519' = 'ec') {
  const { privateKey, publicKey } =
    kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const publicKeySpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const hash = kind === 'ec' ? 'sha256' : null;
  return {
    keyId: toHex(sha256(publicKeySpki)),
    publicKeySpki,
    sign: (bytes: Uint8Array) => new Uint8Array(signBytes(hash, bytes, privateKey)),
  };
}
type Key = ReturnType<typeof newKey>;

const evidenceKey = newKey();
const logKey = newKey('ed25519');
const [targetsKey, onlineKey] = [newKey(), newKey()];
/** Pairs of the server's keys by their number. */
let pairs: Map<number, readonly [targets: Key, online: Key]>;
const actor = { kind: 'person', id: 'psn_ada' } as const;

let test: TestDb;
let http: TestHttp;
let ledger: Ledger;
let clock: FixedClock;
let trust: Trust;
let extraLogs: SigstoreLog[];
let directory: string;

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, trustMigration]);
  http = await openTestHttp({
    // The routes ask for the verbs of the test that runs.
    routes: [
      (routes) =>
        trustRoutes(new Proxy({} as Trust, { get: (_none, verb) => trust[verb as keyof Trust] }))(routes),
    ],
  });
});
afterAll(async () => {
  await http.close();
  await test.close();
});
beforeEach(async () => {
  await inTx(test.db, (tx) => sql`truncate signing_tuf_files, signing_tuf_keys`.execute(tx));
  clock = fixedClock(new Date());
  pairs = new Map([[1, [targetsKey, onlineKey]]]);
  extraLogs = [];
  ledger = createLedger({
    db: test.db,
    clock,
    ids: { next: (prefix) => `${prefix}_${crypto.randomUUID()}` },
    signer: logKey,
    origin: 'log.example',
    log: silentLog,
  });
  trust = newTrust();
  directory = await mkdtemp(join(tmpdir(), 'tuf-'));
});
afterEach(() => rm(directory, { recursive: true }));

function pairOf(number: number): readonly [Key, Key] {
  const pair = pairs.get(number) ?? [newKey(), newKey()];
  pairs.set(number, pair);
  return pair;
}

function newTrust(db: Db = test.db): Trust {
  return createTrust({
    db,
    audit: ledger,
    clock,
    ledger,
    installation: 'test',
    trustRoot: async () => trustRootText,
    material: [async () => ({ trust: { tlogs: extraLogs }, services: {} })],
    targetsSigner: async (number) => pairOf(number)[0],
    onlineSigner: async (number) => pairOf(number)[1],
  });
}

const trustRootText = signTrustRoot(
  {
    installation: 'test',
    builderId: 'https://ci.example/builder',
    verifierId: 'https://ci.example/verifier',
    keys: [
      {
        hint: evidenceKey.keyId,
        algorithm: 'PKIX_ECDSA_P256_SHA_256',
        publicKey: evidenceKey.publicKeySpki,
        validFrom: '2026-01-01T00:00:00Z',
      },
    ],
    logs: [
      {
        origin: 'log.example',
        baseUrl: 'https://log.example',
        keyId: checkpointKeyId('log.example', logKey.publicKeySpki),
        publicKey: logKey.publicKeySpki,
        validFrom: '2026-01-01T00:00:00Z',
      },
    ],
  },
  evidenceKey.keyId,
  evidenceKey.sign,
);

interface RootOptions {
  readonly version?: number;
  readonly keys?: readonly Key[];
  readonly signedBy?: readonly Key[];
  readonly threshold?: number;
  readonly days?: number;
  readonly online?: Key;
  readonly targets?: Key;
}

const firstKeys = [newKey(), newKey(), newKey()];

function rootFile(options: RootOptions = {}): Uint8Array {
  const { version = 1, keys = firstKeys, signedBy = keys, threshold = 2, days = 365 } = options;
  const payload = tufRoot({
    version,
    expires: new Date(clock.now().getTime() + days * dayMs),
    rootKeys: keys.map(({ publicKeySpki }) => publicKeySpki),
    threshold,
    targetsKey: (options.targets ?? targetsKey).publicKeySpki,
    onlineKey: (options.online ?? onlineKey).publicKeySpki,
  });
  return writeTuf(payload, signedBy);
}

/** A client that has seen nothing but the first root, or, given again, all it saw before. */
async function client(name = 'client', root = '1.root.json'): Promise<Updater> {
  const place = join(directory, name);
  const file = join(place, 'root.json');
  await mkdir(place, { recursive: true });
  const first = await trust.file(root);
  await writeFile(file, first ?? '', { flag: 'wx' }).catch(() => undefined);
  return new Updater({
    metadataDir: place,
    metadataBaseUrl: `${http.url}/tuf`,
    targetDir: place,
    targetBaseUrl: `${http.url}/tuf/targets`,
    config: { fetchRetries: 0 },
  });
}

const rows = () =>
  inTx(
    test.db,
    async (tx) => (await sql<Row>`select * from signing_tuf_files order by path`.execute(tx)).rows,
  );
interface Row {
  readonly path: string;
  readonly bytes: Uint8Array;
}
const paths = async () => (await rows()).map(({ path }) => path);
const overwrite = (path: string, bytes: Uint8Array) =>
  inTx(test.db, (tx) => sql`update signing_tuf_files set bytes = ${bytes} where path = ${path}`.execute(tx));

describe('the repository', () => {
  it('is none until a root is given', async () => {
    expect(await trust.renew()).toBe(0);
    expect((await fetch(`${http.url}/tuf/timestamp.json`)).status).toBe(404);
  });

  it('initialises tuf-js and gives it the documents that are also served plainly', async () => {
    await trust.acceptRoot(actor, rootFile());

    const updater = await client();
    for (const [name, plain] of [
      ['trusted_root.json', 'trusted_root.json'],
      ['signing_config.v0.2.json', 'signing_config.json'],
    ] as const) {
      const info = await updater.getTargetInfo(name);
      if (info === undefined) throw new Error(`${name} is not a target`);
      const file = await updater.downloadTarget(info, join(directory, name));
      expect(await readFile(file, 'utf8')).toBe(await (await fetch(`${http.url}/${plain}`)).text());
    }
  });

  it("gives Sigstore's own client a trusted root with our log", async () => {
    await trust.acceptRoot(actor, rootFile());
    const rootPath = join(directory, 'pinned.json');
    await writeFile(rootPath, (await trust.file('1.root.json')) ?? '');

    const trusted = await getTrustedRoot({
      mirrorURL: `${http.url}/tuf`,
      rootPath,
      cachePath: join(directory, 'cache'),
      retry: 0,
    });

    expect(trusted.tlogs.map(({ baseUrl }) => baseUrl)).toEqual(['https://log.example']);
  });

  it('leads a client through three rotations of the root, all keys replaced', async () => {
    await trust.acceptRoot(actor, rootFile());
    const updater = await client();
    await updater.refresh();
    let before = firstKeys;
    for (const version of [2, 3, 4]) {
      const keys = [newKey(), newKey()];
      await trust.acceptRoot(actor, rootFile({ version, keys, signedBy: [...before, ...keys] }));
      before = keys;
    }

    await (await client()).refresh();

    expect(parseTuf('root', (await trust.file('root.json')) ?? utf8('')).signed.version).toBe(4);
    expect((await trust.status()).root?.roles.root.keyids).toHaveLength(2);
  });

  it('gets new keys of the server with the next root, and the old ones sign nothing any more', async () => {
    await trust.acceptRoot(actor, rootFile());
    await (await client()).refresh();
    const old = (await trust.file('timestamp.json')) ?? utf8('');

    await trust.addKeys(actor);
    // Made once, and not in force: the root does not name them yet.
    const { onlineKey: next } = await trust.addKeys(actor);
    expect(pairs.size).toBe(2);
    clock.advance(2 * dayMs);
    expect(await trust.renew()).toBe(1);
    await (await client()).refresh();
    const [targets, online] = pairOf(2);
    expect(next).toEqual(online.publicKeySpki);
    await trust.acceptRoot(actor, rootFile({ version: 2, targets, online }));

    await (await client()).refresh();
    expect((await trust.status()).roles.map(({ version }) => version)).toEqual([2, 2, 2, 3]);
    const { signed } = parseTuf('timestamp', old);
    await overwrite('timestamp.json', writeTuf({ ...signed, version: 9 }, [onlineKey]));
    await expect((await client()).refresh()).rejects.toThrow();
  });

  it('names a new log in new targets, and clients see it', async () => {
    await trust.acceptRoot(actor, rootFile());
    await (await client()).refresh();
    extraLogs = [
      {
        baseUrl: 'https://second.example',
        publicKey: logKey.publicKeySpki,
        keyDetails: 'PKIX_ED25519',
        keyId: sha256(utf8('second')),
        validFor: { start: '2026-02-01T00:00:00Z' },
      },
    ];

    // One target, and the three roles above it.
    expect(await trust.renew()).toBe(4);

    const info = await (await client()).getTargetInfo('trusted_root.json');
    expect(info?.length).toBe((await trust.trustedRoot()).length);
  });

  it('is renewed role by role, as each comes near its end', async () => {
    await trust.acceptRoot(actor, rootFile());
    const versions = async () =>
      Object.fromEntries((await trust.status()).roles.map(({ role, version }) => [role, version]));
    expect(await trust.renew()).toBe(0);

    clock.advance(1.5 * dayMs);
    await trust.renew();
    expect(await versions()).toEqual({ root: 1, targets: 1, snapshot: 1, timestamp: 2 });
    clock.advance(7 * dayMs);
    await trust.renew();
    expect(await versions()).toEqual({ root: 1, targets: 1, snapshot: 2, timestamp: 3 });
    clock.advance(30 * dayMs);
    await trust.renew();
    expect(await versions()).toEqual({ root: 1, targets: 2, snapshot: 3, timestamp: 4 });
  });

  it('agrees with the ledger file by file, until one is changed past the server', async () => {
    await trust.acceptRoot(actor, rootFile());
    clock.advance(2 * dayMs);
    await trust.renew();
    while ((await ledger.integrate()) > 0);
    const present = (await rows()).map(({ path }) => `tuf/${path}`);
    // Rows of earlier tests are gone, and their entries are not.
    const differing = async () =>
      (await ledger.verify(trustAudited())).findings
        .map(({ where }) => where)
        .filter((w) => present.includes(w));

    expect(await differing()).toEqual([]);
    await overwrite('timestamp.json', utf8('{}'));
    expect(await differing()).toEqual(['tuf/timestamp.json']);
  });
});

describe('a root', () => {
  it.each<[string, () => RootOptions, string]>([
    ['of a version that is not the next', () => ({ version: 3 }), 'formats.tuf_version'],
    [
      'that the keys before did not sign',
      () => ({ version: 2, keys: [newKey(), newKey()] }),
      'formats.tuf_signatures',
    ],
    [
      'that its own keys did not sign',
      () => ({ version: 2, keys: [newKey(), newKey()], signedBy: firstKeys }),
      'formats.tuf_signatures',
    ],
    ['under which the server cannot sign', () => ({ version: 2, online: newKey() }), 'signing.tuf_keys'],
    ['that ends tomorrow', () => ({ version: 2, days: 1 }), 'signing.tuf_root_ends'],
  ])('%s is refused, and nothing is written', async (_what, options, code) => {
    await trust.acceptRoot(actor, rootFile());
    const before = await paths();

    await expect(trust.acceptRoot(actor, rootFile(options()))).rejects.toMatchObject({ code });
    expect(await paths()).toEqual(before);
  });

  it('that is no root is refused', async () => {
    await expect(trust.acceptRoot(actor, utf8('{}'))).rejects.toMatchObject({ code: 'formats.shape' });
    const answer = await fetch(`${http.url}/api/trust/roots`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ document: '[' }),
    });
    expect(answer.status).toBe(401);
  });

  it('put into the database by another is not built upon', async () => {
    await trust.acceptRoot(actor, rootFile());
    await overwrite('1.root.json', rootFile({ keys: [newKey(), newKey()] }));

    await expect(trust.renew()).rejects.toMatchObject({ code: 'signing.tuf_unrecorded' });
  });
});

describe('a client', () => {
  beforeEach(async () => {
    await trust.acceptRoot(actor, rootFile());
  });

  it('refuses a timestamp that has ended (freeze)', async () => {
    await (await client()).refresh();
    await inTx(test.db, (tx) => sql`truncate signing_tuf_files`.execute(tx));
    clock.advance(-8 * dayMs);
    await trust.acceptRoot(actor, rootFile());

    await expect((await client('fresh')).refresh()).rejects.toThrow(/expired/);
  });

  it('refuses a repository that was set back (rollback)', async () => {
    const before = await trust.file('timestamp.json');
    clock.advance(2 * dayMs);
    await trust.renew();
    await (await client()).refresh();

    await overwrite('timestamp.json', before ?? utf8(''));

    await expect((await client()).refresh()).rejects.toThrow(/version/);
  });

  it('refuses a snapshot of another state (mix and match)', async () => {
    const before = await trust.file('1.snapshot.json');
    clock.advance(8 * dayMs);
    await trust.renew();
    await overwrite('2.snapshot.json', before ?? utf8(''));

    await expect((await client()).refresh()).rejects.toThrow();
  });

  it('refuses targets signed with the key of the timestamp', async () => {
    const { signed } = parseTuf('targets', (await trust.file('1.targets.json')) ?? utf8(''));
    await overwrite('1.targets.json', writeTuf(signed, [onlineKey]));

    await expect((await client()).refresh()).rejects.toThrow();
  });
});

describe('a crash', () => {
  class Crash extends Error {
    override readonly name = 'Crash';
  }
  /** Dies at a write: nothing of it is written, or all of it is and nobody hears of it. */
  const faulty = (mode: 'before' | 'after'): Db => ({
    ...test.db,
    engine: test.db.engine,
    read: (work) => test.db.read(work),
    statement: (work) => test.db.statement(work),
    write: async (work) => {
      await test.db.write(async (tx, afterCommit) => {
        const done = await work(tx, afterCommit);
        if (mode === 'before') throw new Crash();
        return done;
      });
      throw new Crash();
    },
  });

  it.each(['before', 'after'] as const)(
    '%s the commit leaves a repository that a client accepts',
    async (mode) => {
      await trust.acceptRoot(actor, rootFile());
      await (await client()).refresh();
      const keys = [newKey(), newKey()];
      const next = rootFile({ version: 2, keys, signedBy: [...firstKeys, ...keys] });
      clock.advance(2 * dayMs);

      await expect(newTrust(faulty(mode)).acceptRoot(actor, next)).rejects.toThrow(Crash);
      await (await client()).refresh();
      await expect(newTrust(faulty(mode)).renew()).rejects.toThrow(Crash);
      await (await client()).refresh();

      if (mode === 'before') await trust.acceptRoot(actor, next);
      await trust.renew();
      await (await client()).refresh();
      expect((await trust.status()).root?.version).toBe(2);
    },
  );

  it('of a mirror between two files leaves a whole repository too', async () => {
    const signers = { targets: targetsKey, online: onlineKey };
    const root = parseTuf('root', rootFile()).signed;
    const files = new Map([['1.root.json', rootFile()]]);
    const verify = () =>
      verifyTuf(async (path) => files.get(path), files.get('1.root.json') ?? utf8(''), clock.now());
    const nothing = { root, targets: undefined, snapshot: undefined, timestamp: undefined };
    const first = nextFiles(nothing, new Map([['a.json', utf8('1')]]), signers, clock.now());
    for (const file of first) files.set(file.path, file.bytes);
    const of = (role: string) => first.find((file) => file.role === role);
    const now = { root, targets: of('targets'), snapshot: of('snapshot'), timestamp: of('timestamp') };

    const seen: string[] = [];
    for (const file of nextFiles(now, new Map([['a.json', utf8('2')]]), signers, clock.now())) {
      files.set(file.path, file.bytes);
      seen.push(Buffer.from((await verify()).targets.get('a.json') ?? []).toString());
    }

    expect(seen).toEqual(['1', '1', '1', '2']);
  });
});
