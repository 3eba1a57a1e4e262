import { spawnSync } from 'node:child_process';
import {
  createHash,
  generateKeyPairSync,
  randomBytes,
  sign as signBytes,
  X509Certificate,
} from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkpointKeyId,
  der,
  parseDer,
  parseTrustRoot,
  sha256,
  signTrustRoot,
  toBase64,
  toHex,
  toSigstoreTrustedRoot,
  utf8,
} from '@sallyport/formats';
import { bundleFromJSON } from '@sigstore/bundle';
import { PublicKeyDetails, TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLedger, type Ledger, ledgerMigrations } from '#ledger';
import { systemActor, systemRandom } from '#platform';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { type FixedClock, fixedClock, inTx, silentLog } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { timestampsAudited } from './authorities.ts';
import { timestampMigration } from './migrations.ts';
import { timestampRoutes } from './routes.ts';
import { createTimestamps, type Timestamps } from './timestamps.ts';

function newKey(kind: 'ec' | 'ed25519' = 'ec') {
  const { privateKey, publicKey } =
    kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const publicKeySpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  return {
    keyId: toHex(sha256(publicKeySpki)),
    publicKeySpki,
    sign: (bytes: Uint8Array) =>
      new Uint8Array(signBytes(kind === 'ec' ? 'sha256' : null, bytes, privateKey)),
  };
}

const logKey = newKey('ed25519');
const rootKey = newKey();
let leafKeys = [newKey()];
const leafKey = () => leafKeys.at(-1) ?? newKey();
let test: TestDb;
let http: TestHttp;
let ledger: Ledger;
let clock: FixedClock;
let timestamps: Timestamps;

function newTimestamps(perSecond?: number): Timestamps {
  return createTimestamps({
    db: test.db,
    audit: ledger,
    ledger,
    clock,
    random: systemRandom,
    signer: async (number) => (leafKeys[number - 1] ??= newKey()),
    rootSigner: async () => rootKey,
    installation: 'test',
    publicUrl: 'https://ci.example',
    ...(perSecond === undefined ? {} : { perSecond }),
  });
}

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, timestampMigration]);
  http = await openTestHttp({
    // The routes ask for the verbs of the test that runs.
    routes: [
      (routes) =>
        timestampRoutes({
          answer: (query, form) => timestamps.answer(query, form),
          chain: () => timestamps.chain(),
          rotate: (actor) => timestamps.rotate(actor),
          material: () => timestamps.material(),
        })(routes),
    ],
  });
});
afterAll(async () => {
  await http.close();
  await test.close();
});
beforeEach(async () => {
  await inTx(test.db, (tx) => sql`truncate signing_timestamp_authorities`.execute(tx));
  clock = fixedClock(new Date());
  leafKeys = [newKey()];
  ledger = createLedger({
    db: test.db,
    clock,
    ids: { next: (prefix) => `${prefix}_${crypto.randomUUID()}` },
    signer: logKey,
    origin: 'log.example',
    log: silentLog,
  });
  timestamps = newTimestamps();
});

const oidOf = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

interface QueryParts {
  readonly version?: number;
  readonly hash?: keyof typeof oidOf;
  readonly digest?: Uint8Array;
  readonly policy?: string;
  readonly nonce?: Uint8Array;
  readonly certReq?: boolean;
  readonly more?: readonly Uint8Array[];
}

function query(data: Uint8Array, parts: QueryParts = {}): Uint8Array {
  const { hash = 'sha256' } = parts;
  const digest = parts.digest ?? new Uint8Array(createHash(hash).update(data).digest());
  return der.sequence(
    der.integer(parts.version ?? 1),
    der.sequence(der.sequence(der.oid(oidOf[hash]), der.null()), der.octetString(digest)),
    ...(parts.policy === undefined ? [] : [der.oid(parts.policy)]),
    ...(parts.nonce === undefined ? [] : [der.integer(parts.nonce)]),
    ...(parts.certReq === undefined ? [] : [der.boolean(parts.certReq)]),
    ...(parts.more ?? []),
  );
}

async function post(body: Uint8Array | string, type = 'application/timestamp-query') {
  const answer = await fetch(`${http.url}/api/v1/timestamp`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  return { status: answer.status, bytes: new Uint8Array(await answer.arrayBuffer()) };
}

/** PKIStatus, and the number of the bit of PKIFailureInfo. */
function statusOf(response: Uint8Array): { status: number; failure?: number } {
  const info = parseDer(response).children[0]?.children ?? [];
  const bits = info.find(({ tag }) => tag === 0x03)?.content;
  const status = info[0]?.content[0] ?? -1;
  if (bits === undefined) return { status };
  const last = bits[bits.length - 1] ?? 0;
  return { status, failure: (bits.length - 2) * 8 + (7 - Math.log2(last)) };
}

async function recorded(): Promise<readonly string[]> {
  while ((await ledger.integrate()) > 0);
  const page = await ledger.eventsOf(`timestamp-authority/${leafKey().keyId}`, 500);
  return page.events.flatMap(({ type, detail }) =>
    // What this context writes itself.
    type === 'signing.timestamps.made' ? (detail as { tokens: string[] }).tokens : [],
  );
}

describe('a timestamp', () => {
  const openssl = spawnSync('openssl', ['version']).status === 0;
  if (!openssl) console.warn('openssl is not installed: its verification of timestamps is skipped');

  it.skipIf(!openssl).each([
    ['sha256', true],
    ['sha256', false],
    ['sha384', true],
    ['sha512', false],
  ] as const)('over %s verifies with openssl ts, certificates asked for: %s', async (hash, certReq) => {
    const directory = await mkdtemp(join(tmpdir(), 'tsa-'));
    const at = (name: string) => join(directory, name);
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
      return `${status} ${stdout} ${stderr}`;
    };
    try {
      await writeFile(at('data'), 'some bytes');
      run(
        'ts',
        '-query',
        '-data',
        at('data'),
        `-${hash}`,
        ...(certReq ? ['-cert'] : []),
        '-out',
        at('query'),
      );
      const { status, bytes } = await post(await readFile(at('query')));
      await writeFile(at('reply'), bytes);
      const pem = await (await fetch(`${http.url}/api/v1/timestamp/certchain`)).text();
      const [leaf = '', root = ''] = pem.split(/(?<=-----END CERTIFICATE-----\n)/);
      await writeFile(at('leaf'), leaf);
      await writeFile(at('root'), root);
      const given = certReq ? [] : ['-untrusted', at('leaf')];
      const verify = (...what: string[]) =>
        run('ts', '-verify', ...what, '-in', at('reply'), '-CAfile', at('root'), ...given);

      expect(status).toBe(201);
      // With the query openssl compares imprint, policy and its random nonce.
      expect(verify('-queryfile', at('query'))).toMatch(/^0 Verification: OK/);
      expect(verify('-data', at('data'))).toMatch(/^0 Verification: OK/);
      await writeFile(at('data'), 'other bytes');
      expect(verify('-data', at('data'))).toMatch(/^1 Verification: FAILED/);
      expect(run('x509', '-in', at('leaf'), '-noout', '-text')).toMatch(
        /Extended Key Usage: critical\s+Time Stamping/,
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("is accepted in a bundle by Sigstore's own verifier, with our trusted root", async () => {
    const key = newKey();
    const data = utf8('artifact');
    const signature = key.sign(data);
    const { bytes } = await post(
      JSON.stringify({ artifactHash: toBase64(sha256(signature)), hashAlgorithm: 'sha256' }),
      'application/json',
    );
    const bundle = (stamped: Uint8Array) =>
      toSignedEntity(
        bundleFromJSON({
          mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
          verificationMaterial: {
            publicKey: { hint: 'key' },
            tlogEntries: [],
            timestampVerificationData: { rfc3161Timestamps: [{ signedTimestamp: toBase64(stamped) }] },
          },
          messageSignature: {
            messageDigest: { algorithm: 'SHA2_256', digest: toBase64(sha256(data)) },
            signature: toBase64(signature),
          },
        }),
        Buffer.from(data),
      );
    const verifier = new Verifier(
      toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(await trustedRoot())), {
        key: {
          rawBytes: Buffer.from(key.publicKeySpki),
          keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
          validFor: { start: new Date(0) },
        },
      }),
      { timestampThreshold: 1, tlogThreshold: 0 },
    );

    verifier.verify(bundle(bytes));

    const other = await post(query(utf8('another signature')));
    expect(() => verifier.verify(bundle(other.bytes))).toThrow();
    await timestamps.rotate(systemActor);
    const unknown = await post(query(signature));
    expect(() => verifier.verify(bundle(unknown.bytes))).toThrow();
  });

  it('has a certificate with one critical purpose, under a root that may sign no authority', async () => {
    const pem = Buffer.from(await timestamps.chain()).toString();
    const [leaf, root] = pem
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((each) => each && new X509Certificate(each));
    if (!leaf || !root) throw new Error('expected two certificates');

    expect(leaf.verify(root.publicKey) && root.verify(root.publicKey)).toBe(true);
    expect(leaf.checkIssued(root)).toBe(true);
    expect([leaf.ca, root.ca]).toEqual([false, true]);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.8']);
  });

  it('never has a serial number or a time again that is not its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => timestamps.answer(query(utf8('x')), 'der')),
    );

    expect(new Set(answers.map(({ response }) => toHex(response))).size).toBe(300);
    expect(answers.every(({ granted }) => granted)).toBe(true);
  });
});

describe('the record', () => {
  it('has the digest of each token, before it is given out', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => timestamps.answer(query(utf8(`${i}`)), 'der')),
    );
    const tokens = answers.map(({ response }) =>
      toBase64(sha256(parseDer(response).children[1]?.bytes ?? utf8(''))),
    );

    expect([...(await recorded())].sort()).toEqual([...tokens].sort());
    const { findings } = await ledger.verify(timestampsAudited());
    const own = findings.filter(({ where }) => where.includes(leafKey().keyId));
    expect(own).toEqual([]);
  });

  it('that cannot be written means no timestamp', async () => {
    await timestamps.chain();
    ledger = { ...ledger, record: () => Promise.reject(new Error('disk full')) };
    timestamps = newTimestamps();

    await expect(timestamps.answer(query(utf8('x')), 'der')).rejects.toThrow('disk full');
  });

  it('of an authority that differs from the row stops it', async () => {
    await timestamps.chain();
    await inTx(test.db, (tx) =>
      sql`update signing_timestamp_authorities set leaf = ${randomBytes(500)}`.execute(tx),
    );
    timestamps = newTimestamps();

    await expect(timestamps.chain()).rejects.toMatchObject({ code: 'signing.timestamps_unrecorded' });
  });
});

describe('a clock', () => {
  it('that goes backwards stops timestamps until it is past what was said, also after a restart', async () => {
    expect((await timestamps.answer(query(utf8('x')), 'der')).granted).toBe(true);
    clock.advance(10_000);
    expect((await timestamps.answer(query(utf8('x')), 'der')).granted).toBe(true);
    clock.advance(-5000);
    timestamps = newTimestamps();

    const { granted, response } = await timestamps.answer(query(utf8('x')), 'der');
    expect({ granted, ...statusOf(response) }).toEqual({ granted: false, status: 2, failure: 14 });
    clock.advance(5000);
    expect((await timestamps.answer(query(utf8('x')), 'der')).granted).toBe(true);
  });

  it('outside of the certificate stops them', async () => {
    await timestamps.chain();
    clock.advance(16 * 365 * 86_400_000);

    expect(statusOf((await timestamps.answer(query(utf8('x')), 'der')).response)).toEqual({
      status: 2,
      failure: 14,
    });
  });
});

describe('a query', () => {
  const data = utf8('data');
  it.each<[string, () => Uint8Array, number]>([
    ['of version 2', () => query(data, { version: 2 }), 2],
    ['with SHA-1', () => query(data, { hash: 'sha1' }), 0],
    ['with a digest of another length', () => query(data, { digest: new Uint8Array(20) }), 5],
    ['with an empty digest', () => query(data, { digest: new Uint8Array() }), 5],
    ['with another policy', () => query(data, { policy: '1.2.3.4' }), 15],
    ['with an extension', () => query(data, { more: [der.implicit(0, der.sequence())] }), 16],
    ['with a nonce of 65 bytes', () => query(data, { nonce: new Uint8Array(65).fill(1) }), 5],
    ['with something behind its end', () => query(data, { more: [der.integer(1), der.integer(2)] }), 5],
    ['with bytes behind it', () => Uint8Array.of(...query(data), 0), 5],
    ['that is empty', () => new Uint8Array(), 5],
    [
      'that is a bomb of nested sequences',
      () => Uint8Array.from({ length: 4000 }, (_, i) => (i % 2 === 0 ? 0x30 : 0x80)),
      5,
    ],
    ['that says it is four gigabytes', () => Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff), 5],
    [
      'in another spelling of the same',
      () => Uint8Array.of(0x30, 0x81, query(data).length - 2, ...query(data).subarray(2)),
      5,
    ],
  ])('%s is refused with a reason of the protocol', async (_what, make, failure) => {
    const { status, bytes } = await post(make());

    expect(status).toBe(400);
    expect(statusOf(bytes)).toEqual({ status: 2, failure });
  });

  it('that is larger than any is not read', async () => {
    expect((await post(new Uint8Array(5000))).status).toBe(413);
  });

  it.each([
    ['no object', '[]', 5],
    ['a number that readers round', '{"artifactHash":"","hashAlgorithm":"sha256","nonce":1e20}', 5],
    ['an algorithm we do not take', '{"artifactHash":"AAAA","hashAlgorithm":"sha1"}', 0],
    ['a digest that is not base64', '{"artifactHash":"*","hashAlgorithm":"sha256"}', 5],
    ['two digests', '{"artifactHash":"AAAA","artifactHash":"AAAB","hashAlgorithm":"sha256"}', 5],
    ['a member nobody knows', '{"artifactHash":"AAAA","hashAlgorithm":"sha256","x":1}', 5],
  ])('in JSON with %s is refused', async (_what, text, failure) => {
    const { status, bytes } = await post(text, 'application/json');

    expect(status).toBe(400);
    expect(statusOf(bytes)).toEqual({ status: 2, failure });
  });

  it('of any bytes gets an answer of the protocol', async () => {
    const good = query(data, { nonce: Uint8Array.of(7), certReq: true });
    const mutated = fc
      .tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, flip]) => good.map((byte, i) => (i === at ? byte ^ flip : byte)));
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), async (bytes) => {
        clock.advance(1000);
        const { granted, response } = await timestamps.answer(bytes, 'der');
        expect(statusOf(response).status).toBe(granted ? 0 : 2);
      }),
      { numRuns: 60 },
    );
  });

  it('beyond what is allowed is refused, until a second has passed', async () => {
    timestamps = newTimestamps(3);
    for (let i = 0; i < 3; i += 1) await timestamps.answer(query(data), 'der');

    await expect(timestamps.answer(query(data), 'der')).rejects.toMatchObject({
      code: 'signing.timestamps_busy',
    });
    clock.advance(1000);
    expect((await timestamps.answer(query(data), 'der')).granted).toBe(true);
  });
});

describe('the trust root', () => {
  it('keeps a key that was replaced, with its period, and clients follow', async () => {
    await timestamps.answer(query(utf8('x')), 'der');
    // Another replica, which does not hear of the rotation.
    const lagging = newTimestamps();
    await lagging.chain();
    const before = await timestamps.chain();
    clock.advance(60_000);

    const { number } = await timestamps.rotate(systemActor);

    expect(number).toBe(2);
    expect(await timestamps.chain()).not.toEqual(before);
    const { trust, services } = await timestamps.material();
    const [old, current] = trust.timestampAuthorities ?? [];
    expect(trust.timestampAuthorities).toHaveLength(2);
    expect(Date.parse(old?.validFor.end ?? '') - Date.parse(current?.validFor.start ?? '')).toBe(1000);
    expect(services.tsaUrls).toEqual([
      expect.objectContaining({ url: 'https://ci.example/api/v1/timestamp', majorApiVersion: 1 }),
    ]);
    const { granted, response } = await lagging.answer(query(utf8('x'), { certReq: true }), 'der');
    expect(granted && toHex(response).includes(toHex(current?.certificates[0] ?? utf8('none')))).toBe(true);
    const { findings } = await ledger.verify(timestampsAudited());
    expect(findings.filter(({ where }) => leafKeys.some(({ keyId }) => where.includes(keyId)))).toEqual([]);
  });

  it('has one current key when two replicas rotate at once, and a clock that was ahead is behind it', async () => {
    clock.advance(3_600_000);
    await timestamps.answer(query(utf8('x')), 'der');
    clock.advance(-3_600_000);
    expect((await timestamps.answer(query(utf8('x')), 'der')).granted).toBe(false);

    const made = await Promise.all([timestamps.rotate(systemActor), newTimestamps().rotate(systemActor)]);

    // One after the other is right as well: each asked for a key that is not the one it saw.
    const numbers = made.map(({ number }) => number).sort();
    expect([
      [2, 2],
      [2, 3],
    ]).toContainEqual(numbers);
    const { trust } = await timestamps.material();
    expect(trust.timestampAuthorities).toHaveLength(Math.max(...numbers));
    expect((await timestamps.answer(query(utf8('x')), 'der')).granted).toBe(true);
  });
});

async function trustedRoot(): Promise<string> {
  const evidence = newKey();
  const document = signTrustRoot(
    {
      installation: 'test',
      builderId: 'https://ci.example/builder',
      verifierId: 'https://ci.example/verifier',
      keys: [
        {
          hint: evidence.keyId,
          algorithm: 'PKIX_ECDSA_P256_SHA_256',
          publicKey: evidence.publicKeySpki,
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
    evidence.keyId,
    evidence.sign,
  );
  return toSigstoreTrustedRoot(parseTrustRoot(document), (await timestamps.material()).trust);
}
