import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import {
  digestOf,
  parseSigstoreTrustedRoot,
  utf8,
  verifySigstoreBundle,
} from '../packages/formats/src/index.ts';
import { identity, issuer, testSigstore } from '../packages/formats/test-support/sigstore.ts';

/**
 * Milliseconds to verify a Sigstore bundle offline: certificate, SCT, log proof, checkpoint, timestamp or promise, and
 * signature; beside it @sigstore/verify on the same bundles. The trusted root is read once, as both are used.
 * Run: node bench/verify-bundle.ts
 */
const rounds = 300;
const limitMilliseconds = 3;

const sigstore = testSigstore();
const artifact = utf8('x'.repeat(100_000));
const trustedRoot = parseSigstoreTrustedRoot(sigstore.trustedRoot);
const theirs = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(sigstore.trustedRoot))));
const policy = { identity, issuer };

for (const generation of [2, 1] as const) {
  const bundles = Array.from({ length: 20 }, () => JSON.stringify(sigstore.bundle({ artifact, generation })));
  const name = generation === 2 ? 'log proof and timestamp' : 'log proof and promise';
  const ours = median(bundles, (bundle) =>
    verifySigstoreBundle({ bundle, trustedRoot, artifact: { bytes: artifact }, policy }),
  );
  const peer = median(bundles, (bundle) =>
    theirs.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle)), Buffer.from(artifact))),
  );
  report(`${name}: verifySigstoreBundle`, ours);
  report(`${name}: @sigstore/verify`, peer);
  console.log(`${name}: ratio ${(peer / ours).toFixed(2)}`);
  if (ours > limitMilliseconds) process.exitCode = 1;
  const byDigest = { digest: digestOf(artifact) };
  report(
    `${name}: by digest alone`,
    median(bundles, (bundle) => verifySigstoreBundle({ bundle, trustedRoot, artifact: byDigest, policy })),
  );
}

/** The median over single verifications, after some that warm the code up. */
function median(bundles: readonly string[], verify: (bundle: string) => void): number {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bundle = bundles[round % bundles.length] ?? '';
    const start = performance.now();
    verify(bundle);
    if (round >= rounds / 3) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

function report(what: string, milliseconds: number): void {
  console.log(`${what}: ${milliseconds.toFixed(2)} ms`);
}
