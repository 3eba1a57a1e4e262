import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { der, sha256, toHex } from '@sallyport/formats';
import { createLedger, type Ledger } from '#ledger';
import type { Clock, Db } from '#platform';
import { countingIds, silentLog } from '../../../test-support/fakes.ts';
import type { Signing } from '../evidence.ts';
import { createSigning } from '../signing.ts';
import { createAdmission, type RekorWriters } from './admission.ts';
import { createRekor, type Rekor } from './rekor.ts';

/** For the tests of this folder: an authority, its leaves, and the log as the server composes it. */
export const logOrigin = 'log.example';

const ecdsaWithSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'));

export interface TestAuthority {
  readonly der: Uint8Array;
  /** A leaf for an e-mail address, with its key. */
  issue(email: string, validity?: { from: Date; to: Date }): TestIdentity;
}

export interface TestIdentity {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly privateKey: KeyObject;
}

export function newAuthority(name = 'test authority', curve = 'P-256'): TestAuthority {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String(name))));
  const extension = (oid: string, value: Uint8Array, critical = true) =>
    der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
  const certificate = (
    spki: Uint8Array,
    serial: bigint,
    who: Uint8Array,
    extensions: readonly Uint8Array[],
    from: Date,
    to: Date,
  ) => {
    const tbs = der.sequence(
      der.explicit(0, der.integer(2n)),
      der.integer(serial),
      ecdsaWithSha256,
      subject,
      der.sequence(der.time(from), der.time(to)),
      who,
      spki,
      der.explicit(3, der.sequence(...extensions)),
    );
    const signature = sign('sha256', tbs, ca.privateKey);
    return der.sequence(tbs, ecdsaWithSha256, der.bitString(Uint8Array.from(signature)));
  };
  const long = { from: new Date('2020-01-01T00:00:00Z'), to: new Date('2090-01-01T00:00:00Z') };
  let serial = 1n;
  return {
    der: certificate(
      spkiOf(ca.publicKey),
      serial,
      subject,
      [extension('2.5.29.19', der.sequence(der.boolean(true)))],
      long.from,
      long.to,
    ),
    issue(email, { from, to } = long) {
      const pair = generateKeyPairSync('ec', { namedCurve: curve });
      serial += 1n;
      const bytes = certificate(
        spkiOf(pair.publicKey),
        serial,
        der.sequence(),
        [
          extension('2.5.29.17', der.sequence(der.context(1, Buffer.from(email)))),
          extension('2.5.29.15', der.bitString(Uint8Array.of(0x80), 7)),
          extension('2.5.29.37', der.sequence(der.oid('1.3.6.1.5.5.7.3.3')), false),
        ],
        from,
        to,
      );
      const lines =
        Buffer.from(bytes)
          .toString('base64')
          .match(/.{1,64}/g) ?? [];
      const pem = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
      return { der: bytes, pem, privateKey: pair.privateKey };
    },
  };
}

export function newKey(type: 'ed25519' | 'ec') {
  const { privateKey, publicKey } =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  return {
    keyId: 'test',
    publicKeySpki: spkiOf(publicKey),
    sign: (bytes: Uint8Array) => Uint8Array.from(sign(type === 'ec' ? 'sha256' : null, bytes, privateKey)),
  };
}

/** One for all logs of a database: a second would end the first. */
const evidenceKey = newKey('ec');

export interface TestLog {
  readonly ledger: Ledger;
  readonly rekor: Rekor;
  readonly signing: Signing;
  readonly logKey: ReturnType<typeof newKey>;
  readonly promiseKey: ReturnType<typeof newKey>;
}

export function newLog(
  db: Db,
  clock: Clock,
  authority: TestAuthority,
  options: { writers?: RekorWriters; entriesPerSecond?: number; logKey?: ReturnType<typeof newKey> } = {},
): TestLog {
  const { writers = 'certificates', entriesPerSecond = 1000, logKey = newKey('ed25519') } = options;
  const promiseKey = newKey('ec');
  const ledger = createLedger({
    db,
    clock,
    ids: countingIds(),
    signer: logKey,
    origin: logOrigin,
    log: silentLog,
  });
  const signing = createSigning({
    db,
    audit: ledger,
    clock,
    ids: countingIds(),
    ledger,
    signer: async () => ({ ...evidenceKey, keyId: toHex(sha256(evidenceKey.publicKeySpki)) }),
    attach: async () => undefined,
    identityUris: {
      installation: 'test',
      builderId: 'https://sallyport.example/builder',
      verifierId: 'https://sallyport.example/gates',
      log: { origin: logOrigin, baseUrl: 'https://sallyport.example', publicKeySpki: logKey.publicKeySpki },
    },
  });
  const rekor = createRekor({
    db,
    clock,
    ledger,
    admission: createAdmission({ clock, writers, issuers: async () => [authority.der], entriesPerSecond }),
    log: {
      origin: logOrigin,
      publicKeySpki: logKey.publicKeySpki,
      baseUrl: 'https://sallyport.example',
    },
    trustRoot: () => signing.trustRoot(),
    signer: promiseKey,
  });
  return { ledger, rekor, signing, logKey, promiseKey };
}

export const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');

/** What a client of the second API sends for an artifact. */
export function artifactV2(artifact: Uint8Array, who: TestIdentity) {
  return {
    hashedRekordRequestV002: {
      digest: base64(createHash('sha256').update(artifact).digest()),
      signature: {
        content: base64(sign('sha256', artifact, who.privateKey)),
        verifier: {
          x509Certificate: { rawBytes: base64(who.der) },
          keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        },
      },
    },
  };
}

function spkiOf(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export({ format: 'der', type: 'spki' }));
}
