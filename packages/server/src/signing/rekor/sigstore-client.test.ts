import { createPublicKey, sign } from 'node:crypto';
import { parseTrustRoot, toSigstoreTrustedRoot, utf8 } from '@sallyport/formats';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { PublicKeyDetails, TrustedRoot } from '@sigstore/protobuf-specs';
import { DSSEBundleBuilder, MessageSignatureBundleBuilder, RekorWitness, type Signer } from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ledgerMigrations } from '#ledger';
import { systemClock } from '#platform';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { signingMigrations } from '../migrations.ts';
import { newAuthority, newLog, type TestLog } from './rekor.fixture.ts';
import { rekorRoutes } from './routes.ts';

/** Sigstore's own JavaScript client, unmodified, writes to both APIs, and its verifier takes what came back. */
const authority = newAuthority();
const ada = authority.issue('ada@example.com');
const artifact = utf8('an artifact');
let test: TestDb;
let log: TestLog;
let http: TestHttp;

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, ...signingMigrations]);
  log = newLog(test.db, systemClock, authority);
  http = await openTestHttp({ routes: [rekorRoutes(log.rekor, 'certificates')] });
});
afterAll(async () => {
  await http.close();
  await test.close();
});

const signer: Signer = {
  sign: async (data) => ({
    signature: sign('sha256', data, ada.privateKey),
    key: { $case: 'x509Certificate', certificate: ada.pem },
  }),
};

async function verifierOf(): Promise<Verifier> {
  const { trust } = await log.rekor.material();
  const document = toSigstoreTrustedRoot(parseTrustRoot(await log.signing.trustRoot()), {
    tlogs: trust.tlogs ?? [],
    certificateAuthorities: [
      {
        organization: 'test',
        uri: 'https://ca.example',
        commonName: 'test authority',
        certificates: [authority.der],
        validFor: { start: '2020-01-01T00:00:00.000Z' },
      },
    ],
    ctlogs: [],
    timestampAuthorities: [],
  });
  const key = {
    rawBytes: createPublicKey(ada.privateKey).export({ format: 'der', type: 'spki' }),
    keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
    validFor: { start: new Date('2020-01-01T00:00:00Z') },
  };
  // No certificate log is part of this test.
  return new Verifier(toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(document)), { ada: key }), {
    ctlogThreshold: 0,
    tlogThreshold: 1,
    timestampThreshold: 0,
  });
}

/**
 * As a file would hold it. The second API gives no time, and no timestamp authority is part of this test, so that a
 * certificate could not be judged: there the verifier is told the key.
 */
function stored(made: Parameters<typeof bundleToJSON>[0], majorApiVersion: number) {
  const bundle = bundleFromJSON(bundleToJSON(made));
  if (majorApiVersion === 2) {
    bundle.verificationMaterial.content = { $case: 'publicKey', publicKey: { hint: 'ada' } };
  }
  return bundle;
}

describe.each([1, 2])('@sigstore/sign with API %i', (majorApiVersion) => {
  const witnesses = () => [new RekorWitness({ rekorBaseURL: http.url, majorApiVersion })];

  it('logs an artifact, and the bundle verifies', async () => {
    const bundler = new MessageSignatureBundleBuilder({ signer, witnesses: witnesses() });
    const bundle = stored(await bundler.create({ data: Buffer.from(artifact) }), majorApiVersion);
    const verifier = await verifierOf();

    const verified = verifier.verify(toSignedEntity(bundle, Buffer.from(artifact)));
    if (majorApiVersion === 1) expect(verified.identity?.subjectAlternativeName).toBe('ada@example.com');
    expect(() => verifier.verify(toSignedEntity(bundle, Buffer.from('another')))).toThrow();
  });

  it('logs an envelope, and the bundle verifies', async () => {
    const bundler = new DSSEBundleBuilder({ signer, witnesses: witnesses() });
    const made = await bundler.create({ data: Buffer.from('{"a":1}'), type: 'application/vnd.in-toto+json' });
    const bundle = stored(made, majorApiVersion);

    (await verifierOf()).verify(toSignedEntity(bundle));
    expect(bundle.verificationMaterial.tlogEntries[0]?.kindVersion).toEqual(
      majorApiVersion === 1 ? { kind: 'dsse', version: '0.0.1' } : { kind: 'hashedrekord', version: '0.0.2' },
    );
  });
});

it('finds the entry that it logged before, by the first API', async () => {
  const once = sign('sha256', artifact, ada.privateKey);
  const same: Signer = {
    sign: async () => ({ signature: once, key: { $case: 'x509Certificate', certificate: ada.pem } }),
  };
  const create = () =>
    new MessageSignatureBundleBuilder({
      signer: same,
      witnesses: [new RekorWitness({ rekorBaseURL: http.url, majorApiVersion: 1, fetchOnConflict: true })],
    }).create({ data: Buffer.from(artifact) });

  const [first, again] = [await create(), await create()];

  const placeOf = (bundle: typeof first) => bundle.verificationMaterial.tlogEntries[0]?.logIndex;
  expect(placeOf(again)).toBe(placeOf(first));
});
