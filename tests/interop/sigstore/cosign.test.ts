import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePublicKeyPem, parseSigstoreTrustedRoot, verifySigstoreBundle } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SigstoreServer, signer, startSigstoreServer } from './server.fixture.ts';
import { installTool } from './tool.fixture.ts';

/**
 * cosign, unmodified: the one in PATH or where COSIGN says, or else built from the Go module proxy if the compiler's
 * cache makes that short. Without it the tests are skipped and say so.
 */
const version = 'v3.1.3';
const buildMs = 100_000;
const cosign = await installTool(`cosign ${version}`, async (directory, execute) => {
  const there = process.env['COSIGN'] ?? 'cosign';
  const found = await execute(there, ['version'], 10_000).then(
    () => true,
    () => false,
  );
  if (found) return there;
  const source = `github.com/sigstore/cosign/v3/cmd/cosign@${version}`;
  await execute('env', [`GOBIN=${directory}`, `GOTMPDIR=${directory}`, 'go', 'install', source], buildMs);
  return join(directory, 'cosign');
});
afterAll(() => cosign.close());

const predicate = {
  buildDefinition: { buildType: 'https://example.com/build/v1', externalParameters: {} },
  runDetails: { builder: { id: 'https://example.com/builder' } },
};
const provenance = 'https://slsa.dev/provenance/v1';
const content = 'an artifact\n';

describe.skipIf(cosign.program === undefined)('cosign', () => {
  let server: SigstoreServer;
  let stranger: SigstoreServer;
  let artifact: string;
  beforeAll(async () => {
    server = await startSigstoreServer('cosign');
    stranger = await startSigstoreServer('stranger');
    artifact = server.file('artifact', content);
  });
  afterAll(async () => {
    await server?.close();
    await stranger?.close();
  });

  /** The served document, with one API of the log or none: a client takes the newest that it knows. */
  const configWith = (logApi: number | undefined): string => {
    const { rekorTlogUrls, rekorTlogConfig, ...rest } = JSON.parse(server.signingConfig);
    const urls = rekorTlogUrls.filter((each: { majorApiVersion: number }) => each.majorApiVersion === logApi);
    const log = urls.length === 0 ? {} : { rekorTlogUrls: urls, rekorTlogConfig };
    return server.file(`signing_config.${logApi}.json`, JSON.stringify({ ...rest, ...log }));
  };
  const make = async (command: string, logApi: number | undefined, more: readonly string[]) => {
    const bundle = join(server.directory, `${command}-${logApi}.json`);
    await cosign.run(
      [
        ...[command, '--yes', '--signing-config', configWith(logApi), '--bundle', bundle],
        ...['--trusted-root', server.trustedRootFile, ...more, artifact],
      ],
      { COSIGN_PASSWORD: '' },
    );
    return bundle;
  };
  const keyless = () => ['--identity-token', server.file('token', server.token())];
  const attested = () => [
    ...['--type', 'slsaprovenance1', '--predicate', server.file('predicate', JSON.stringify(predicate))],
  ];
  const verify = (command: string, bundle: string, { by = server, identity = signer } = {}) =>
    cosign.run([
      ...[command, '--trusted-root', by.trustedRootFile, '--bundle', bundle],
      ...['--certificate-identity', identity, '--certificate-oidc-issuer', server.issuer, artifact],
      ...(command === 'verify-blob-attestation' ? ['--type', 'slsaprovenance1'] : []),
    ]);
  const verifyWithOurs = (bundle: string) =>
    verifySigstoreBundle({
      bundle: readFileSync(bundle, 'utf8'),
      trustedRoot: parseSigstoreTrustedRoot(server.trustedRoot),
      artifact: { bytes: Buffer.from(content) },
      policy: { identity: signer, issuer: server.issuer },
    });

  it.each([1, 2])('signs a file keyless with API %i of the log, and the bundle verifies', async (logApi) => {
    const bundle = await make('sign-blob', logApi, keyless());

    await verify('verify-blob', bundle);
    expect(verifyWithOurs(bundle)).toMatchObject({ identity: { name: signer }, statement: undefined });
  });

  it.each([1, 2])(
    'attests a file keyless with API %i of the log, and the bundle verifies',
    async (logApi) => {
      const bundle = await make('attest-blob', logApi, [...keyless(), ...attested()]);

      await verify('verify-blob-attestation', bundle);
      expect(verifyWithOurs(bundle).statement).toMatchObject({ predicateType: provenance });
    },
  );

  it('refuses a bundle for another name, another file, or by the trust root of another server', async () => {
    const bundle = await make('sign-blob', 2, keyless());

    await expect(verify('verify-blob', bundle, { identity: 'riley@example.com' })).rejects.toThrow(
      /identity/,
    );
    await expect(verify('verify-blob', bundle, { by: stranger })).rejects.toThrow(/failed to verify/);
    server.file('artifact', 'another artifact\n');
    await expect(verify('verify-blob', bundle)).rejects.toThrow(/invalid signature/);
    server.file('artifact', content);
  });

  it('signs with a key and our timestamp, and the bundle verifies with the key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = server.file('release.pem', privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
    const pub = server.file('release.pub', publicKey.export({ format: 'pem', type: 'spki' }).toString());
    const prefix = join(server.directory, 'release');
    await cosign.run(['import-key-pair', '--key', pem, '--output-key-prefix', `${prefix}-imported`], {
      COSIGN_PASSWORD: '',
    });
    const bundle = await make('sign-blob', undefined, ['--key', `${prefix}-imported.key`]);

    // The log takes certificates only unless told otherwise, so the timestamp stands alone.
    const args = ['--trusted-root', server.trustedRootFile, '--bundle', bundle, '--insecure-ignore-tlog'];
    await cosign.run(['verify-blob', ...args, '--key', pub, artifact]);
    const ours = verifySigstoreBundle({
      bundle: readFileSync(bundle, 'utf8'),
      trustedRoot: parseSigstoreTrustedRoot(server.trustedRoot),
      artifact: { bytes: Buffer.from(content) },
      policy: { key: parsePublicKeyPem(readFileSync(pub, 'utf8')), thresholds: { logs: 0 } },
    });
    expect(ours.times).toMatchObject([{ by: 'timestamp authority' }]);
  });
});
