import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import {
  canonicalJson,
  fromBase64,
  fromHex,
  leafHash,
  pae,
  parseNote,
  utf8,
  verifyCheckpoint,
  verifyInclusion,
} from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ledgerMigrations } from '#ledger';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { fixedClock, person } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { signingMigrations } from '../migrations.ts';
import { artifactV2, base64, logOrigin, newAuthority, newLog, type TestLog } from './rekor.fixture.ts';
import type { LogEntryV1, TransparencyLogEntry } from './rekor.ts';
import { rekorRoutes } from './routes.ts';

const authority = newAuthority();
const ada = authority.issue('ada@example.com');
const clock = fixedClock();
const actors = { auditor: person('auditor') };
let test: TestDb;
let log: TestLog;
let http: TestHttp;

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, ...signingMigrations]);
  log = newLog(test.db, clock, authority);
  http = await openTestHttp({ routes: [rekorRoutes(log.rekor, 'certificates')], actors });
});
afterAll(async () => {
  await http.close();
  await test.close();
});
beforeEach(() => clock.advance(60_000));

async function post(path: string, body: unknown, url = http.url) {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  // Answers of several shapes; each test names what it looks at.
  return { status: response.status, headers: response.headers, body: (await response.json()) as never };
}

async function get(path: string, token?: string) {
  const response = await fetch(http.url + path, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function proveV2(entry: TransparencyLogEntry): void {
  const { inclusionProof } = entry;
  const head = verifyCheckpoint(inclusionProof.checkpoint.envelope, [
    { name: logOrigin, publicKey: log.logKey.publicKeySpki },
  ]);
  expect([String(head.treeSize), base64(head.rootHash)]).toEqual([
    inclusionProof.treeSize,
    inclusionProof.rootHash,
  ]);
  verifyInclusion({
    leafHash: leafHash(fromBase64(entry.canonicalizedBody)),
    leafIndex: Number(entry.logIndex),
    treeSize: head.treeSize,
    hashes: inclusionProof.hashes.map(fromBase64),
    rootHash: head.rootHash,
  });
}

describe('the second API', () => {
  it('logs an artifact: canonical leaf, proof and checkpoint of a bare host', async () => {
    const request = artifactV2(utf8('artifact'), ada);

    const answer = await post('/api/v2/log/entries', request);

    expect(answer.status).toBe(201);
    const entry: TransparencyLogEntry = answer.body;
    proveV2(entry);
    const { digest, signature } = request.hashedRekordRequestV002;
    expect(Buffer.from(entry.canonicalizedBody, 'base64').toString()).toBe(
      `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"${digest}"},"signature":{"content":"${signature.content}","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"${signature.verifier.x509Certificate.rawBytes}"}}}}}}`,
    );
    expect(entry.kindVersion).toEqual({ kind: 'hashedrekord', version: '0.0.2' });
    expect(entry.integratedTime).toBe('0');
    expect(entry.inclusionProof.checkpoint.envelope.split('\n')[0]).toBe('log.example');
  });

  it('answers an envelope with a hashedrekord over its PAE', async () => {
    const payload = utf8('{"a":1}');
    const message = pae('application/vnd.in-toto+json', payload);
    const answer = await post('/api/v2/log/entries', {
      dsseRequestV002: {
        envelope: {
          payload: base64(payload),
          payloadType: 'application/vnd.in-toto+json',
          signatures: [{ sig: base64(sign('sha256', message, ada.privateKey)), keyid: '' }],
        },
        verifiers: [
          { x509Certificate: { rawBytes: base64(ada.der) }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
        ],
      },
    });

    expect(answer.status).toBe(201);
    const entry: TransparencyLogEntry = answer.body;
    proveV2(entry);
    expect(entry.kindVersion.kind).toBe('hashedrekord');
    const leaf = JSON.parse(Buffer.from(entry.canonicalizedBody, 'base64').toString());
    expect(leaf.spec.hashedRekordV002.data.digest).toBe(
      base64(createHash('sha256').update(message).digest()),
    );
  });

  it('gives one place to many at once, and says of what is there already where it is', async () => {
    const requests = Array.from({ length: 40 }, (_, i) => artifactV2(utf8(`many ${i}`), ada));
    const answers = await Promise.all(requests.map((request) => post('/api/v2/log/entries', request)));
    const places = answers.map(({ body }) => (body as TransparencyLogEntry).logIndex);
    expect(new Set(places).size).toBe(40);

    const again = await post('/api/v2/log/entries', requests[7]);

    expect(again.status).toBe(409);
    expect(again.headers.get('x-log-index')).toBe(places[7]);
    expect(again.body).toMatchObject({ code: 6 });
  });

  it('takes the same entry twice at once as one', async () => {
    const request = artifactV2(utf8('twice'), ada);
    const answers = await Promise.all([1, 2, 3].map(() => post('/api/v2/log/entries', request)));

    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  it('serves checkpoint and tiles to anyone, entries to those who may read the ledger', async () => {
    const head = await get('/api/v2/checkpoint');
    const { treeSize } = verifyCheckpoint(head.text, [
      { name: logOrigin, publicKey: log.logKey.publicKeySpki },
    ]);

    expect(head.headers.get('cache-control')).toBe('no-cache');
    const tile = await get(`/api/v2/tile/0/000.p/${treeSize}`);
    expect([tile.status, tile.headers.get('cache-control')]).toEqual([
      200,
      'public, max-age=31536000, immutable',
    ]);
    expect((await get(`/api/v2/tile/entries/000.p/${treeSize}`)).status).toBe(401);
    const entries = await get(`/api/v2/tile/entries/000.p/${treeSize}`, 'auditor');
    expect([entries.status, entries.headers.get('cache-control')]).toEqual([
      200,
      'private, max-age=31536000, immutable',
    ]);
    expect((await get('/api/v2/tile/0/000.p/256')).status).toBe(404);
  });
});

describe('the first API', () => {
  const proposed = (text: string) => ({
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: createHash('sha256').update(text).digest('hex') } },
      signature: {
        content: base64(sign('sha256', Buffer.from(text), ada.privateKey)),
        publicKey: { content: base64(ada.pem) },
      },
    },
  });
  const envelope = (payload: string) => {
    const message = pae('application/vnd.in-toto+json', utf8(payload));
    return JSON.stringify({
      payload: base64(payload),
      payloadType: 'application/vnd.in-toto+json',
      signatures: [{ sig: base64(sign('sha256', message, ada.privateKey)), keyid: '' }],
    });
  };
  const proposedEnvelope = (text: string) => ({
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: { proposedContent: { envelope: text, verifiers: [base64(ada.pem)] } },
  });
  const only = (answer: object): LogEntryV1 => {
    const [[uuid, entry] = ['', undefined]] = Object.entries(answer);
    if (entry === undefined) throw new Error('no entry');
    return { uuid, entry };
  };
  const prove = ({ uuid, entry }: LogEntryV1): void => {
    const { verification, body, integratedTime, logID, logIndex } = entry;
    const { inclusionProof } = verification;
    const key = { key: Buffer.from(log.promiseKey.publicKeySpki), format: 'der', type: 'spki' } as const;
    const promised = utf8(canonicalJson({ body, integratedTime, logID, logIndex }));
    expect(verify('sha256', promised, key, fromBase64(verification.signedEntryTimestamp))).toBe(true);
    expect(logID).toBe(createHash('sha256').update(log.promiseKey.publicKeySpki).digest('hex'));
    const leaf = leafHash(fromBase64(body));
    expect(uuid.endsWith(Buffer.from(leaf).toString('hex'))).toBe(true);
    const rootHash = fromHex(inclusionProof.rootHash);
    verifyInclusion({
      leafHash: leaf,
      leafIndex: logIndex,
      treeSize: inclusionProof.treeSize,
      hashes: inclusionProof.hashes.map(fromHex),
      rootHash,
    });
    const note = parseNote(inclusionProof.checkpoint);
    expect(note.text).toMatch(/^log\.example - [0-9]+\n/);
    expect(note.text.split('\n').slice(1, 3)).toEqual([`${inclusionProof.treeSize}`, base64(rootHash)]);
    const [signature] = note.signatures;
    expect(signature?.name).toBe('log.example');
    expect(base64(signature?.keyHash ?? '')).toBe(base64(fromHex(logID).slice(0, 4)));
    expect(verify('sha256', utf8(note.text), key, signature?.signature ?? new Uint8Array())).toBe(true);
  };

  it('logs an artifact with promise, proof and a checkpoint of its own', async () => {
    const answer = await post('/api/v1/log/entries', proposed('first'));

    expect(answer.status).toBe(201);
    const made = only(answer.body);
    prove(made);
    expect(answer.headers.get('etag')).toBe(made.uuid);
    expect(answer.headers.get('location')).toBe(`/api/v1/log/entries/${made.uuid}`);
    expect(made.entry.integratedTime).toBe(Math.floor(clock.now().getTime() / 1000));
    const { spec } = JSON.parse(Buffer.from(made.entry.body, 'base64').toString());
    expect(Buffer.from(spec.signature.publicKey.content, 'base64').toString()).toBe(ada.pem);
  });

  it('logs an envelope by its hashes', async () => {
    const text = envelope('{"b":2}');
    const made = only((await post('/api/v1/log/entries', proposedEnvelope(text))).body);

    prove(made);
    const { kind, spec } = JSON.parse(Buffer.from(made.entry.body, 'base64').toString());
    expect(kind).toBe('dsse');
    expect(spec.envelopeHash.value).toBe(createHash('sha256').update(text).digest('hex'));
    expect(spec.payloadHash.value).toBe(createHash('sha256').update('{"b":2}').digest('hex'));
    expect(spec.signatures).toHaveLength(1);
  });

  it('takes an envelope with the members that the log computes as null, and not with a value', async () => {
    const text = envelope('{"c":3}');
    const { spec, ...rest } = proposedEnvelope(text);
    const computed = { signatures: null, envelopeHash: null, payloadHash: null };
    const { body, status } = await post('/api/v1/log/entries', { ...rest, spec: { ...spec, ...computed } });

    expect(status).toBe(201);
    const entry = JSON.parse(Buffer.from(only(body).entry.body, 'base64').toString());
    expect(entry.spec.envelopeHash.value).toBe(createHash('sha256').update(text).digest('hex'));
    const claimed = { ...computed, payloadHash: entry.spec.payloadHash };
    const refused = await post('/api/v1/log/entries', { ...rest, spec: { ...spec, ...claimed } });
    expect(refused.status).toBe(400);
  });

  it('gives the same entry by uuid, leaf hash, index and content, with the same promise', async () => {
    const request = proposed('found');
    const made = only((await post('/api/v1/log/entries', request)).body);
    clock.advance(3600_000);
    await post('/api/v1/log/entries', proposed('one more'));
    const paths = [
      `/api/v1/log/entries/${made.uuid}`,
      `/api/v1/log/entries/${made.uuid.slice(16)}`,
      `/api/v1/log/entries?logIndex=${made.entry.logIndex}`,
    ];
    for (const path of paths) {
      const found = only(JSON.parse((await get(path)).text));
      prove(found);
      expect(found.entry.integratedTime).toBe(made.entry.integratedTime);
      expect(found.entry.verification.signedEntryTimestamp).toBe(
        made.entry.verification.signedEntryTimestamp,
      );
    }
    const { body } = await post('/api/v1/log/entries/retrieve', { entries: [request] });
    expect(only((body as object[])[0] ?? {}).uuid).toBe(made.uuid);
  });

  it('refuses what it has, and says where it is', async () => {
    const request = proposed('once');
    const { uuid } = only((await post('/api/v1/log/entries', request)).body);
    const again = await post('/api/v1/log/entries', request);

    expect(again.status).toBe(409);
    expect(again.headers.get('location')).toBe(`/api/v1/log/entries/${uuid}`);
  });

  it('shows nothing that did not come by it', async () => {
    const v2: TransparencyLogEntry = (
      await post('/api/v2/log/entries', artifactV2(utf8('not by the first'), ada))
    ).body;

    expect((await get(`/api/v1/log/entries?logIndex=${v2.logIndex}`)).status).toBe(404);
    expect((await get(`/api/v1/log/entries/${'0'.repeat(64)}`)).status).toBe(404);
    expect((await get(`/api/v1/log/entries/${'0'.repeat(80)}`)).status).toBe(404);
    expect((await get('/api/v1/log/entries?logIndex=99999')).status).toBe(404);
  });

  it('gives head, key and consistency', async () => {
    const head = JSON.parse((await get('/api/v1/log')).text);
    const proof = JSON.parse((await get(`/api/v1/log/proof?firstSize=1&lastSize=${head.treeSize}`)).text);

    expect(head.signedTreeHead).toMatch(/^log\.example - [0-9]+\n/);
    expect(BigInt(head.treeID)).toBeLessThan(2n ** 63n);
    expect(proof.hashes.length).toBeGreaterThan(0);
    expect((await get('/api/v1/log/publicKey')).text).toContain('BEGIN PUBLIC KEY');
  });

  it('does not give out a promise whose time was changed in the database', async () => {
    const made = only((await post('/api/v1/log/entries', proposed('backdated'))).body);
    await test.db.write((tx) =>
      sql`update signing_rekor_promises set integrated_time = integrated_time - 3600
        where entry_id = ${`evd_${made.uuid.slice(16)}`}`.execute(tx),
    );

    const answer = await get(`/api/v1/log/entries/${made.uuid}`);

    expect([answer.status, answer.text.includes('signedEntryTimestamp')]).toEqual([422, false]);
  });
});

describe('what is refused', () => {
  const good = () => artifactV2(utf8(`refused ${Math.random()}`), ada).hashedRekordRequestV002;
  const verifierOf = (key: Uint8Array, keyDetails = 'PKIX_ECDSA_P256_SHA_256') => ({
    publicKey: { rawBytes: base64(key) },
    keyDetails,
  });
  const ed25519 = generateKeyPairSync('ed25519');
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const spki = (key: typeof ed25519.publicKey) => key.export({ format: 'der', type: 'spki' });
  const stranger = newAuthority().issue('ada@example.com');
  const expired = authority.issue('ada@example.com', {
    from: new Date('2024-01-01T00:00:00Z'),
    to: new Date('2024-01-01T00:10:00Z'),
  });

  it.each<[string, () => unknown]>([
    ['a signature over something else', () => ({ ...good(), digest: base64(Buffer.alloc(32, 7)) })],
    ['a short digest', () => ({ ...good(), digest: base64(Buffer.alloc(20)) })],
    ['base64 with other spelling', () => ({ ...good(), digest: good().digest.replace('=', '') })],
    [
      'other key details than the key has',
      () => {
        const request = good();
        const verifier = { ...request.signature.verifier, keyDetails: 'PKIX_ECDSA_P384_SHA_384' };
        return { ...request, signature: { ...request.signature, verifier } };
      },
    ],
    [
      'Ed25519, which does not prehash',
      () => ({
        digest: good().digest,
        signature: {
          content: base64(sign(null, Buffer.from('x'), ed25519.privateKey)),
          verifier: verifierOf(spki(ed25519.publicKey), 'PKIX_ED25519'),
        },
      }),
    ],
    [
      'an RSA key of 1024 bits',
      () => ({
        digest: good().digest,
        signature: {
          content: base64(sign('sha256', Buffer.from('x'), small.privateKey)),
          verifier: verifierOf(spki(small.publicKey), 'PKIX_RSA_PKCS1V15_2048_SHA256'),
        },
      }),
    ],
    ['a certificate of another authority', () => artifactV2(utf8('x'), stranger).hashedRekordRequestV002],
    ['a certificate that has ended', () => artifactV2(utf8('x'), expired).hashedRekordRequestV002],
    [
      'bytes behind a certificate',
      () => {
        const request = good();
        const rawBytes = base64(Buffer.concat([ada.der, Buffer.of(0)]));
        const verifier = { ...request.signature.verifier, x509Certificate: { rawBytes } };
        return { ...request, signature: { ...request.signature, verifier } };
      },
    ],
    [
      'a PEM where DER belongs',
      () => {
        const request = good();
        const verifier = { ...request.signature.verifier, x509Certificate: { rawBytes: base64(ada.pem) } };
        return { ...request, signature: { ...request.signature, verifier } };
      },
    ],
    ['two verifiers', () => ({ ...good(), signature: { ...good().signature, verifiers: [] } })],
    ['another field', () => ({ ...good(), more: 1 })],
  ])('%s', async (_what, request) => {
    const size = await log.ledger.checkpoint();

    const answer = await post('/api/v2/log/entries', { hashedRekordRequestV002: request() });

    expect([answer.status, (answer.body as { code: number }).code]).toEqual([400, 3]);
    expect(await log.ledger.checkpoint()).toBe(size);
  });

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['a key twice', '{"hashedRekordRequestV002":{},"hashedRekordRequestV002":{}}'],
    ['nothing known', '{"intotoRequest":{}}'],
    ['depth', `${'['.repeat(5000)}${']'.repeat(5000)}`],
  ])('%s', async (_what, body) => {
    expect((await post('/api/v2/log/entries', body)).status).toBe(400);
    expect((await post('/api/v1/log/entries', body)).status).toBe(400);
  });

  it('a bare key, where certificates admit', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const answer = await post('/api/v2/log/entries', {
      hashedRekordRequestV002: {
        digest: base64(createHash('sha256').update('x').digest()),
        signature: {
          content: base64(sign('sha256', Buffer.from('x'), privateKey)),
          verifier: verifierOf(publicKey.export({ format: 'der', type: 'spki' })),
        },
      },
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ message: expect.stringContaining('a bare key') });
  });

  it('entries of one identity beyond its rate, and not those of others', async () => {
    const slow = newLog(test.db, clock, authority, { entriesPerSecond: 1, logKey: log.logKey });
    const eve = authority.issue('eve@example.com');
    const add = async (who: typeof ada, i: number) => {
      const one = await openTestHttp({ routes: [rekorRoutes(slow.rekor, 'certificates')] });
      const { status } = await post('/api/v2/log/entries', artifactV2(utf8(`rate ${i}`), who), one.url);
      await one.close();
      return status;
    };
    const statuses: number[] = [];
    for (let i = 0; i < 12; i += 1) statuses.push(await add(eve, i));
    expect(statuses.filter((status) => status === 201)).toHaveLength(10);
    expect(statuses.at(-1)).toBe(429);
    expect(await add(ada, 100)).toBe(201);
    clock.advance(1000);
    expect(await add(eve, 101)).toBe(201);
  });

  it('everybody without a token, where tokens admit', async () => {
    const closed = await openTestHttp({ routes: [rekorRoutes(log.rekor, 'authenticated')], actors });
    expect((await post('/api/v2/log/entries', artifactV2(utf8('y'), ada), closed.url)).status).toBe(401);
    await closed.close();
  });
});
