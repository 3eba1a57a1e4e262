import {
  canonicalJson,
  checkpointKeyId,
  checkpointText,
  concatBytes,
  der,
  inTotoPayloadType,
  leafHash,
  noteSignatureLine,
  pae,
  rootFromLeaves,
  sha256,
  toBase64,
  toHex,
  utf8,
} from '../src/index.ts';
import {
  altNames,
  authority,
  certificate,
  keyIdOf,
  name,
  purpose,
  signs,
  signsCertificates,
  subjectKeyId,
  type TestAuthority,
  type TestExtension,
  tbsCertificate,
  timestampResponse,
  uriName,
} from './certificates.ts';
import { ed25519Key, p256Key, type TestKey } from './evidence.ts';

export const identity = 'https://ci.example/shop/.sallyport@refs/heads/main';
export const issuer = 'https://tokens.example';
export const signedAt = new Date('2026-03-01T12:05:00Z');
const [born, dies] = [new Date('2026-01-01T00:00:00Z'), new Date('2030-01-01T00:00:00Z')];
const [leafFrom, leafTo] = [new Date('2026-03-01T12:00:00Z'), new Date('2026-03-01T12:10:00Z')];
const codeSigning = '1.3.6.1.5.5.7.3.3';
const timeStamping = '1.3.6.1.5.5.7.3.8';

export interface TestLeaf {
  readonly raw: Uint8Array;
  readonly key: TestKey;
}

/** A private Sigstore of a test: certificate authority, certificate log, two generations of a log, timestamps. */
export interface TestSigstore {
  readonly root: TestAuthority;
  readonly intermediate: TestAuthority;
  readonly trustedRoot: string;
  /** A certificate with an embedded SCT; the extensions given replace those with the same identifier. */
  leaf(...replaced: readonly TestExtension[]): TestLeaf;
  /** A bundle of version 0.3, as an object to change. */
  bundle(options: BundleOptions): TestBundle;
  readonly timestampKey: TestKey;
}

export interface BundleOptions {
  readonly leaf?: TestLeaf;
  readonly artifact?: Uint8Array;
  readonly statement?: object | string;
  readonly generation?: 1 | 2;
}

// The JSON is changed by tests in every place.
// biome-ignore lint/suspicious/noExplicitAny: the shape of the JSON is what the tests break
export type TestBundle = any;

export function testSigstore(): TestSigstore {
  const rootKey = p256Key();
  const root = selfSigned('root.example', rootKey, [authority(), signsCertificates]);
  const intermediateKey = p256Key();
  const intermediate: TestAuthority = {
    name: name('intermediate.example'),
    key: intermediateKey,
    certificate: certificate({
      subject: name('intermediate.example'),
      spki: intermediateKey.spki,
      issuer: root,
      from: born,
      to: dies,
      serial: 2,
      extensions: [authority(0), signsCertificates, purpose(codeSigning), subjectKeyId(intermediateKey.spki)],
    }),
  };
  const tsaRoot = selfSigned('time.example', p256Key(), [authority(), signsCertificates]);
  const timestampKey = p256Key();
  const tsa = {
    issuerName: tsaRoot.name,
    serial: 3,
    key: timestampKey,
    certificate: certificate({
      subject: name('clock.example'),
      spki: timestampKey.spki,
      issuer: tsaRoot,
      from: born,
      to: dies,
      serial: 3,
      extensions: [signs, { ...purpose(timeStamping), critical: true }],
    }),
  };
  const [ct, first, second] = [p256Key(), p256Key(), ed25519Key()];
  const secondId = checkpointKeyId('log2.example', second.spki);

  const leaf: TestSigstore['leaf'] = (...replaced) => {
    const key = p256Key();
    const given = new Set(replaced.map(({ oid }) => oid));
    const usual: readonly TestExtension[] = [
      signs,
      purpose(codeSigning),
      altNames(uriName(identity)),
      { oid: '1.3.6.1.4.1.57264.1.8', value: der.utf8String(issuer) },
    ];
    const extensions = [
      ...usual.filter(({ oid }) => !given.has(oid)),
      ...replaced.filter(({ value }) => value.length > 0),
    ];
    const options = {
      spki: key.spki,
      issuer: intermediate,
      from: leafFrom,
      to: leafTo,
      serial: 77,
      extensions,
    };
    const sct = embeddedSct(tbsCertificate(options), intermediate, ct);
    return { key, raw: certificate({ ...options, extensions: [...extensions, sct] }) };
  };

  const bundle: TestSigstore['bundle'] = ({ leaf: chosen = leaf(), artifact, statement, generation = 2 }) => {
    const payload =
      statement === undefined
        ? undefined
        : utf8(typeof statement === 'string' ? statement : JSON.stringify(statement));
    const signed = payload === undefined ? (artifact ?? Uint8Array.of()) : pae(inTotoPayloadType, payload);
    const signature = chosen.key.sign(signed);
    const body =
      generation === 2 ? bodyV2(signed, signature, chosen) : bodyV1(signed, signature, chosen, payload);
    const log = generation === 2 ? secondLog(second, secondId) : firstLog(first);
    const stamp = timestampResponse({ signature, at: signedAt, signer: tsa });
    return JSON.parse(
      JSON.stringify({
        mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        verificationMaterial: {
          certificate: { rawBytes: toBase64(chosen.raw) },
          tlogEntries: [log(utf8(body))],
          timestampVerificationData:
            generation === 2 ? { rfc3161Timestamps: [{ signedTimestamp: toBase64(stamp) }] } : {},
        },
        ...(payload === undefined
          ? {
              messageSignature: {
                messageDigest: { algorithm: 'SHA2_256', digest: toBase64(sha256(signed)) },
                signature: toBase64(signature),
              },
            }
          : {
              dsseEnvelope: {
                payload: toBase64(payload),
                payloadType: inTotoPayloadType,
                signatures: [{ sig: toBase64(signature) }],
              },
            }),
      }),
    );
  };

  const log = (host: string, key: TestKey, keyId: Uint8Array, keyDetails: string) => ({
    baseUrl: `https://${host}`,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: toBase64(key.spki), keyDetails, validFor: { start: born.toISOString() } },
    logId: { keyId: toBase64(keyId) },
  });
  const chain = (...certificates: readonly Uint8Array[]) => ({
    certChain: { certificates: certificates.map((raw) => ({ rawBytes: toBase64(raw) })) },
    validFor: { start: born.toISOString() },
  });
  const trustedRoot = JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [
      log('log1.example', first, keyIdOf(first.spki), 'PKIX_ECDSA_P256_SHA_256'),
      log('log2.example', second, secondId, 'PKIX_ED25519'),
    ],
    ctlogs: [log('ct.example', ct, keyIdOf(ct.spki), 'PKIX_ECDSA_P256_SHA_256')],
    certificateAuthorities: [chain(intermediate.certificate, root.certificate)],
    timestampAuthorities: [chain(tsa.certificate, tsaRoot.certificate)],
  });
  return { root, intermediate, trustedRoot, leaf, bundle, timestampKey };
}

function selfSigned(organisation: string, key: TestKey, extensions: readonly TestExtension[]): TestAuthority {
  const own = { name: name(organisation), key };
  const all = [...extensions, subjectKeyId(key.spki)];
  return {
    ...own,
    certificate: certificate({
      subject: own.name,
      spki: key.spki,
      issuer: own,
      from: born,
      to: dies,
      extensions: all,
    }),
  };
}

/** RFC 6962 sections 3.2 and 3.3: the log signs the certificate as it is without this extension. */
function embeddedSct(tbs: Uint8Array, from: TestAuthority, ct: TestKey): TestExtension {
  const number = (value: number, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => Math.floor(value / 256 ** (length - 1 - i)) % 256);
  const time = number(leafFrom.getTime(), 8);
  const signed = concatBytes(
    Uint8Array.of(0, 0),
    time,
    Uint8Array.of(0, 1),
    sha256(from.key.spki),
    number(tbs.length, 3),
    tbs,
    number(0, 2),
  );
  const signature = ct.sign(signed);
  const sct = concatBytes(
    Uint8Array.of(0),
    keyIdOf(ct.spki),
    time,
    number(0, 2),
    Uint8Array.of(4, 3),
    number(signature.length, 2),
    signature,
  );
  const list = concatBytes(number(sct.length + 2, 2), number(sct.length, 2), sct);
  return { oid: '1.3.6.1.4.1.11129.2.4.2', value: der.octetString(list) };
}

function bodyV2(signed: Uint8Array, signature: Uint8Array, leaf: TestLeaf): string {
  return canonicalJson({
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: 'SHA2_256', digest: toBase64(sha256(signed)) },
        signature: {
          content: toBase64(signature),
          verifier: {
            keyDetails: 'PKIX_ECDSA_P256_SHA_256',
            x509Certificate: { rawBytes: toBase64(leaf.raw) },
          },
        },
      },
    },
  });
}

function bodyV1(
  signed: Uint8Array,
  signature: Uint8Array,
  leaf: TestLeaf,
  payload: Uint8Array | undefined,
): string {
  const lines = toBase64(leaf.raw).match(/.{1,64}/g) ?? [];
  const pem = toBase64(utf8(`-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`));
  const hash = (bytes: Uint8Array) => ({ algorithm: 'sha256', value: toHex(sha256(bytes)) });
  const content = toBase64(signature);
  return canonicalJson(
    payload === undefined
      ? {
          apiVersion: '0.0.1',
          kind: 'hashedrekord',
          spec: { data: { hash: hash(signed) }, signature: { content, publicKey: { content: pem } } },
        }
      : {
          apiVersion: '0.0.1',
          kind: 'dsse',
          spec: {
            envelopeHash: hash(payload),
            payloadHash: hash(payload),
            signatures: [{ signature: content, verifier: pem }],
          },
        },
  );
}

/** An entry in a tree of three. */
function inTree(body: Uint8Array) {
  const others = [leafHash(utf8('before')), leafHash(utf8('after'))] as const;
  return {
    rootHash: rootFromLeaves([others[0], leafHash(body), others[1]]),
    hashes: others.map(toBase64),
    treeSize: 3,
    index: 1,
  };
}

function secondLog(key: TestKey, keyId: Uint8Array) {
  return (body: Uint8Array) => {
    const tree = inTree(body);
    const text = checkpointText({ origin: 'log2.example', treeSize: tree.treeSize, rootHash: tree.rootHash });
    const line = noteSignatureLine('log2.example', keyId, key.sign(utf8(text)));
    return entry(tree, keyId, 'hashedrekord', '0.0.2', `${text}\n${line}`, body, {});
  };
}

function firstLog(key: TestKey) {
  return (body: Uint8Array) => {
    const tree = inTree(body);
    const text = `log1.example - 42\n${tree.treeSize}\n${toBase64(tree.rootHash)}\n`;
    const keyId = keyIdOf(key.spki);
    const line = noteSignatureLine('log1.example', keyId, key.sign(utf8(text)));
    const integratedTime = signedAt.getTime() / 1000;
    const promised = { body: toBase64(body), integratedTime, logID: toHex(keyId), logIndex: tree.index };
    const promise = toBase64(key.sign(utf8(canonicalJson(promised))));
    const kind: string = JSON.parse(new TextDecoder().decode(body)).kind;
    return entry(tree, keyId, kind, '0.0.1', `${text}\n${line}`, body, {
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp: promise },
    });
  };
}

function entry(
  tree: ReturnType<typeof inTree>,
  keyId: Uint8Array,
  kind: string,
  version: string,
  checkpoint: string,
  body: Uint8Array,
  more: object,
) {
  return {
    logIndex: String(tree.index),
    logId: { keyId: toBase64(keyId) },
    kindVersion: { kind, version },
    inclusionProof: {
      logIndex: String(tree.index),
      rootHash: toBase64(tree.rootHash),
      treeSize: String(tree.treeSize),
      hashes: tree.hashes,
      checkpoint: { envelope: checkpoint },
    },
    canonicalizedBody: toBase64(body),
    ...more,
  };
}
