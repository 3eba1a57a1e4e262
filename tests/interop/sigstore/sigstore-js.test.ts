import { Buffer } from 'node:buffer';
import { digestHex, digestOf, parseSigstoreTrustedRoot, verifySigstoreBundle } from '@sallyport/formats';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs';
import {
  type BundleBuilder,
  bundleBuilderFromSigningConfig,
  DSSEBundleBuilder,
  FulcioSigner,
  MessageSignatureBundleBuilder,
  RekorWitness,
  TSAWitness,
} from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SigstoreServer, signer, startSigstoreServer } from './server.fixture.ts';

/**
 * Sigstore's JavaScript client, unmodified, signs keyless against one server, and both its verifier and ours take what
 * came of it, with nothing from the server but `trusted_root.json`.
 */
let server: SigstoreServer;
let stranger: SigstoreServer;
beforeAll(async () => {
  server = await startSigstoreServer('js');
  stranger = await startSigstoreServer('stranger');
});
afterAll(async () => {
  await server?.close();
  await stranger?.close();
});

const artifact = Buffer.from('an artifact');
const envelope = {
  type: 'application/vnd.in-toto+json',
  data: Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'artifact', digest: { sha256: digestHex(digestOf(artifact)) } }],
      predicateType: 'https://example.com/tests/v1',
      predicate: { passed: 12 },
    }),
  ),
};
const payloads = { messageSignature: { data: artifact }, dsseEnvelope: envelope } as const;
type BundleType = keyof typeof payloads;

const identityProvider = (email?: string) => ({ getToken: async () => server.token(email) });

/** Each part by its own address, as a client does that is told the API of the log. */
function byHand(bundleType: BundleType, majorApiVersion: number): BundleBuilder {
  const options = {
    signer: new FulcioSigner({ fulcioBaseURL: server.address, identityProvider: identityProvider() }),
    witnesses: [
      new RekorWitness({ rekorBaseURL: server.address, majorApiVersion }),
      new TSAWitness({ tsaBaseURL: server.address }),
    ],
  };
  return bundleType === 'dsseEnvelope'
    ? new DSSEBundleBuilder(options)
    : new MessageSignatureBundleBuilder(options);
}

/** What a client does that knows `signing_config.json` and nothing else. */
function byConfig(bundleType: BundleType, email?: string): BundleBuilder {
  return bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(JSON.parse(server.signingConfig)),
    identityProvider: identityProvider(email),
    bundleType,
    fetchOptions: { retry: false, timeout: 20_000 },
  });
}

/** Everything is asked for: a log, a certificate log and a timestamp. */
function verifyWithSigstore(bundle: string, trustedRoot: string, bytes: Buffer | undefined) {
  const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(trustedRoot)));
  const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 });
  return verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle)), bytes), {
    subjectAlternativeName: signer,
    extensions: { issuer: server.issuer },
  });
}

function verifyWithOurs(bundle: string, trustedRoot: string, identity = signer) {
  return verifySigstoreBundle({
    bundle,
    trustedRoot: parseSigstoreTrustedRoot(trustedRoot),
    artifact: { bytes: artifact },
    policy: { identity, issuer: server.issuer },
  });
}

const ways = [
  ['the first API of the log', (type: BundleType) => byHand(type, 1)],
  ['the second API of the log', (type: BundleType) => byHand(type, 2)],
  ['signing_config.json', (type: BundleType) => byConfig(type)],
] as const;

describe.each(ways)('@sigstore/sign, keyless, by %s', (_, builder) => {
  it.each(['messageSignature', 'dsseEnvelope'] as const)('makes a %s that verifies', async (type) => {
    const made = await builder(type).create(payloads[type]);
    const bundle = JSON.stringify(bundleToJSON(made));
    const bytes = type === 'messageSignature' ? artifact : undefined;

    const theirs = verifyWithSigstore(bundle, server.trustedRoot, bytes);
    expect(theirs.identity?.subjectAlternativeName).toBe(signer);
    const ours = verifyWithOurs(bundle, server.trustedRoot);
    expect(ours).toMatchObject({ identity: { name: signer, issuer: server.issuer } });
    expect(ours.times.map(({ by }) => by)).toContain('timestamp authority');
    expect(ours.entries).toHaveLength(1);

    // Another server is as honest and as well formed, and vouches for none of it.
    expect(() => verifyWithSigstore(bundle, stranger.trustedRoot, bytes)).toThrow();
    expect(() => verifyWithOurs(bundle, stranger.trustedRoot)).toThrow();
    expect(() => verifyWithOurs(bundle, server.trustedRoot, 'riley@example.com')).toThrow(/identity/);
  });
});

it('gives no certificate to somebody whom no rule lets in', async () => {
  await expect(byConfig('messageSignature', 'riley@example.com').create({ data: artifact })).rejects.toThrow(
    /signing certificate/,
  );
});
