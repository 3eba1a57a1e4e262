import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSigstoreTrustedRoot, verifySigstoreBundle } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SigstoreServer, signer, startSigstoreServer } from './server.fixture.ts';
import { installTool } from './tool.fixture.ts';

/**
 * Sigstore's Python client, unmodified and from PyPI, in an environment of its own: it signs with no more than the two
 * documents that the server gives to anybody, and verifies offline. Without it the tests are skipped and say so.
 */
const version = '4.5.1';
const python = await installTool(`sigstore ${version} of PyPI`, async (directory, execute) => {
  await execute('python3', ['-m', 'venv', directory], 60_000);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'];
  await execute(join(directory, 'bin/python3'), [...pip, `sigstore==${version}`], 90_000);
  return join(directory, 'bin/sigstore');
});
afterAll(() => python.close());

const content = 'an artifact\n';
const predicate = {
  buildDefinition: { buildType: 'https://example.com/build/v1', externalParameters: {} },
  runDetails: { builder: { id: 'https://example.com/builder' } },
};

/** The client's own file for both documents. */
const trustConfig = (server: SigstoreServer): string =>
  server.file(
    'trust_config.json',
    JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
      trustedRoot: JSON.parse(server.trustedRoot),
      signingConfig: JSON.parse(server.signingConfig),
    }),
  );

describe.skipIf(python.program === undefined)('sigstore-python', () => {
  let server: SigstoreServer;
  let stranger: SigstoreServer;
  let artifact: string;
  beforeAll(async () => {
    server = await startSigstoreServer('python');
    stranger = await startSigstoreServer('stranger');
    artifact = server.file('artifact', content);
  });
  afterAll(async () => {
    await server?.close();
    await stranger?.close();
  });

  const verify = (bundle: string, { by = server, identity = signer } = {}): Promise<string> =>
    python.run([
      ...['--trust-config', trustConfig(by), 'verify', 'identity', '--offline', '--bundle', bundle],
      ...['--cert-identity', identity, '--cert-oidc-issuer', server.issuer, artifact],
    ]);
  const verifyWithOurs = (bundle: string) =>
    verifySigstoreBundle({
      bundle: readFileSync(bundle, 'utf8'),
      trustedRoot: parseSigstoreTrustedRoot(server.trustedRoot),
      artifact: { bytes: Buffer.from(content) },
      policy: { identity: signer, issuer: server.issuer },
    });

  const api = ['1', '2'] as const;
  const sign = async (rekor: string, email?: string): Promise<string> => {
    const bundle = join(server.directory, `signed-${rekor}.json`);
    await python.run([
      ...['--trust-config', trustConfig(server), 'sign', '--rekor-version', rekor, '--overwrite'],
      ...['--identity-token', server.token(email), '--bundle', bundle, artifact],
    ]);
    return bundle;
  };

  it.each(api)('signs a file with API %s of the log, and the bundle verifies', async (rekor) => {
    const bundle = await sign(rekor);

    await verify(bundle);
    expect(verifyWithOurs(bundle)).toMatchObject({ identity: { name: signer }, statement: undefined });
  });

  it.each(api)('attests a file with API %s of the log, and the bundle verifies', async (rekor) => {
    const bundle = join(server.directory, `attested-${rekor}.json`);
    const type = 'https://slsa.dev/provenance/v1';
    await python.run([
      ...['--trust-config', trustConfig(server), 'attest', '--rekor-version', rekor],
      ...['--predicate', server.file('predicate.json', JSON.stringify(predicate)), '--predicate-type', type],
      ...['--identity-token', server.token(), '--bundle', bundle, artifact],
    ]);

    await verify(bundle);
    expect(verifyWithOurs(bundle).statement).toMatchObject({ predicateType: type });
  });

  it('refuses a bundle for another name, another file, or by the trust root of another server', async () => {
    const bundle = await sign('2');

    await expect(verify(bundle, { identity: 'riley@example.com' })).rejects.toThrow(/riley@example\.com/);
    await expect(verify(bundle, { by: stranger })).rejects.toThrow(/FAIL/);
    server.file('artifact', 'another artifact\n');
    await expect(verify(bundle)).rejects.toThrow(/FAIL.*digest mismatch/s);
    server.file('artifact', content);
  });

  it('gets no certificate for somebody whom no rule lets in', async () => {
    await expect(sign('2', 'riley@example.com')).rejects.toThrow(/certificate|Fulcio|403|401/i);
  });
});
