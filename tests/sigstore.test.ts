import { parseSigstoreTrustedRoot, verifySigstoreBundle } from '@sallyport/formats';
import { type Bundle, bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import {
  DSSEBundleBuilder,
  FulcioSigner,
  MessageSignatureBundleBuilder,
  RekorWitness,
  TSAWitness,
} from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  githubClaims,
  type OidcIssuer,
  openOidcIssuer,
} from '../packages/server/test-support/oidc-issuer.ts';
import { type Fortress, openFortress } from './attacks/fortress.ts';

/**
 * A job of another CI signs keyless against one Sallyport, with Sigstore's own client, unmodified: certificate, log and
 * timestamp. Whoever has `trusted_root.json` and nothing else from us then verifies it, with Sigstore's verifier at its
 * own thresholds and with ours.
 */
let fortress: Fortress;
let issuer: OidcIssuer;
let trustedRoot: string;
const artifact = Buffer.from('what the job built');
const workflow = `https://github.com/${githubClaims.job_workflow_ref}`;

beforeAll(async () => {
  fortress = await openFortress();
  issuer = await openOidcIssuer(() => new Date());
  await fortress.ada.federation.add({
    name: 'shop',
    kind: 'github',
    issuer: issuer.url,
    audience: 'sigstore',
    claims: { repository_id: githubClaims.repository_id, ref: githubClaims.ref },
  });
  trustedRoot = await (await fetch(`${fortress.url}/trusted_root.json`)).text();
});
afterAll(async () => {
  await issuer.close();
  await fortress.close();
});

function parts(majorApiVersion: number) {
  const { url } = fortress;
  return {
    signer: new FulcioSigner({
      fulcioBaseURL: url,
      identityProvider: { getToken: async () => issuer.token(githubClaims) },
    }),
    witnesses: [
      new RekorWitness({ rekorBaseURL: url, majorApiVersion }),
      new TSAWitness({ tsaBaseURL: url }),
    ],
  };
}

function verifyWithSigstore(bundle: Bundle, data?: Buffer): void {
  const stored = bundleFromJSON(JSON.parse(JSON.stringify(bundleToJSON(bundle))));
  const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(trustedRoot)));
  const options = { ctlogThreshold: 1, tlogThreshold: 1, timestampThreshold: 1 };
  const { identity } = new Verifier(material, options).verify(toSignedEntity(stored, data), {
    subjectAlternativeName: workflow,
    extensions: { issuer: issuer.url },
  });
  expect(identity?.subjectAlternativeName).toBe(workflow);
}

describe.each([1, 2])('what a job signs with @sigstore/sign, logged by API %i', (majorApiVersion) => {
  it('verifies as an artifact', async () => {
    const bundle = await new MessageSignatureBundleBuilder(parts(majorApiVersion)).create({ data: artifact });

    verifyWithSigstore(bundle, artifact);
    expect(() => verifyWithSigstore(bundle, Buffer.from('another'))).toThrow();
    const verified = verifySigstoreBundle({
      bundle: JSON.stringify(bundleToJSON(bundle)),
      trustedRoot: parseSigstoreTrustedRoot(trustedRoot),
      artifact: { bytes: artifact },
      policy: { identity: workflow, issuer: issuer.url },
    });
    expect(verified.identity?.issuer).toBe(issuer.url);
  });

  it('verifies as a statement', async () => {
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'shop', digest: { sha256: 'ab'.repeat(32) } }],
      predicateType: 'https://example.test/checked/v1',
      predicate: { by: 'the job' },
    };
    const data = Buffer.from(JSON.stringify(statement));

    const bundle = await new DSSEBundleBuilder(parts(majorApiVersion)).create({
      data,
      type: 'application/vnd.in-toto+json',
    });

    verifyWithSigstore(bundle);
  });
});

it('a job that no rule names gets nothing to sign with', async () => {
  const stranger = new FulcioSigner({
    fulcioBaseURL: fortress.url,
    identityProvider: { getToken: async () => issuer.token({ ...githubClaims, repository_id: '75' }) },
  });

  await expect(stranger.sign(artifact)).rejects.toThrow();
});

it('what was signed before a rotation of the authority verifies after it', async () => {
  const bundle = await new MessageSignatureBundleBuilder(parts(2)).create({ data: artifact });
  await fortress.ada.federation.rotate(true);
  const renewed = await (await fetch(`${fortress.url}/trusted_root.json`)).text();
  const after = await new MessageSignatureBundleBuilder(parts(2)).create({ data: artifact });

  verifyWithSigstore(bundle, artifact);
  expect(() => verifyWithSigstore(after, artifact)).toThrow();
  trustedRoot = renewed;
  verifyWithSigstore(bundle, artifact);
  verifyWithSigstore(after, artifact);
});
