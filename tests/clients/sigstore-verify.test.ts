import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, utf8 } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identity, issuer, testSigstore } from '../../packages/formats/test-support/sigstore.ts';

const sally = join(import.meta.dirname, '../../packages/cli/bin/sally.mjs');
const artifact = utf8('what was signed');
const digest = digestOf(artifact);
const asIdentity = ['--certificate-identity', identity, '--certificate-oidc-issuer', issuer];
let directory: string;
const at = (file: string): string => join(directory, file);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-sigstore-'));
  const sigstore = testSigstore();
  writeFileSync(at('root.json'), sigstore.trustedRoot);
  writeFileSync(at('other-root.json'), testSigstore().trustedRoot);
  writeFileSync(at('app'), artifact);
  writeFileSync(at('other'), 'what was not signed');
  writeFileSync(at('app.sigstore.json'), JSON.stringify(sigstore.bundle({ artifact })));
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [
      { name: 'another', digest: { sha256: '0'.repeat(64) } },
      { name: 'app', digest: { sha256: digest.slice(7) } },
    ],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
  };
  writeFileSync(at('statement.json'), JSON.stringify(sigstore.bundle({ statement, generation: 1 })));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The command, in a directory of its own, with nothing of the environment but the way to programs. */
function run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [sally, 'sigstore', 'verify-bundle', ...words],
    {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', HOME: directory, ...env },
    },
  );
  return { status, stdout, stderr };
}

describe('sally sigstore verify-bundle', () => {
  it('accepts what the public suite asks for: a file or a digest, in its order of words', () => {
    const words = ['--bundle', 'app.sigstore.json', ...asIdentity, '--trusted-root', 'root.json'];
    expect(run([...words, 'app'])).toMatchObject({ status: 0, stderr: '' });
    expect(run([...words, digest]).status).toBe(0);

    const { status, stdout } = run(['app', '--json', ...asIdentity], {
      SALLYPORT_TRUSTED_ROOT: at('root.json'),
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      verified: true,
      artifact: digest,
      signer: { kind: 'uri', name: identity, issuer },
      entries: [{ log: 'log2.example', logIndex: 1 }],
    });
  });

  it('takes the artifact as one of the subjects of a statement', () => {
    const words = ['--bundle', 'statement.json', ...asIdentity, '--trusted-root', 'root.json'];
    expect(run([...words, digest]).stdout).toContain('about app');
    expect(run([...words, 'other'])).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('[formats.sigstore_artifact]'),
    });
  });

  it('refuses with the reason on standard error', () => {
    const refusals: readonly (readonly [readonly string[], number, string])[] = [
      [
        ['other', '--bundle', 'app.sigstore.json', ...asIdentity, '--trusted-root', 'root.json'],
        6,
        'sigstore_artifact',
      ],
      [['app', ...asIdentity, '--trusted-root', 'other-root.json'], 6, 'a log of the trust root'],
      [
        [
          'app',
          '--certificate-identity',
          'x',
          '--certificate-oidc-issuer',
          issuer,
          '--trusted-root',
          'root.json',
        ],
        6,
        'sigstore_identity',
      ],
      [
        [
          'app',
          '--certificate-identity-regexp',
          'https://ci',
          '--certificate-oidc-issuer',
          issuer,
          '--trusted-root',
          'root.json',
        ],
        6,
        'sigstore_identity',
      ],
      [
        ['app', '--certificate-identity', identity, '--trusted-root', 'root.json'],
        2,
        '--certificate-oidc-issuer',
      ],
      [['app', '--trusted-root', 'root.json'], 2, '--certificate-identity or --key'],
      [['app', ...asIdentity], 2, 'SALLYPORT_TRUSTED_ROOT'],
      [['app', ...asIdentity, '--staging'], 2, 'SALLYPORT_STAGING_TRUSTED_ROOT'],
      [
        ['nothing', '--bundle', 'app.sigstore.json', ...asIdentity, '--trusted-root', 'root.json'],
        4,
        'ENOENT',
      ],
      [['app', '--key', 'root.json', '--trusted-root', 'root.json'], 2, 'PEM'],
      [
        ['app', '--key', 'root.json', ...asIdentity, '--trusted-root', 'root.json'],
        2,
        'either --key or an identity',
      ],
    ];
    for (const [words, status, reason] of refusals) {
      const answer = run(words);
      expect([words, answer.status]).toEqual([words, status]);
      expect(answer.stderr).toContain(reason);
      expect(answer.stdout).toBe('');
    }
  });
});
