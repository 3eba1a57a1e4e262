import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, signToken } from '../../../packages/server/src/vault/credentials/jwt/token.fixture.ts';
import { startTlsServer, type TlsServer } from './server.ts';

/**
 * The published hvac, unchanged, in every version there is to have: the newest from PyPI, in an environment of its own,
 * and Debian's, if python3-hvac is installed. Without either the tests are skipped and say so.
 */
const newest = '2.4.0';
const run = promisify(execFile);
const scenarios = fileURLToPath(new URL('hvac_scenarios.py', import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 'sallyport-hvac-'));

async function fromPypi(): Promise<string> {
  await run('python3', ['-m', 'venv', directory], { timeout: 60_000 });
  const python = join(directory, 'bin/python3');
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
  await run(python, ['-m', 'pip', 'install', ...quiet, `hvac==${newest}`], { timeout: 90_000 });
  return python;
}

async function fromDebian(): Promise<string> {
  const python = '/usr/bin/python3';
  await run(python, ['-c', 'import hvac']);
  return python;
}

async function found(name: string, look: () => Promise<string>) {
  const python = await look().catch((error: unknown) => {
    console.warn(`skipped: no ${name} (${String(error).split('\n', 1)[0]})`);
    return undefined;
  });
  return { name, python: python ?? '' };
}

const installed = [
  await found(`hvac ${newest} of PyPI`, fromPypi),
  await found('hvac of Debian (apt install python3-hvac)', fromDebian),
];
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const issuer = makeKey('ES256');

function issuedToken(): string {
  const iat = Math.floor(Date.now() / 1000);
  return signToken(issuer, { iss: 'https://issuer', sub: 'repo:shop', aud: 'py', iat, exp: iat + 300 });
}

const played = {
  dev: [
    'status',
    'mounts',
    'kv-version-1',
    'kv-version-2',
    'transit',
    'approle',
    'tokens',
    'policies',
    'leases',
    'wrapping',
    'userpass',
    'jwt',
  ],
  shamir: ['sealing'],
} as const;
const kinds = ['dev', 'shamir'] as const;

async function play(python: string, server: TlsServer, scenario: string): Promise<void> {
  const env = {
    VAULT_ADDR: server.address,
    VAULT_TOKEN: server.rootToken,
    VAULT_CACERT: server.caFile,
    ISSUER_KEY: issuer.pem,
    ISSUER_TOKEN: issuedToken(),
  };
  try {
    // -B: no compiled files in the repository.
    await run(python, ['-B', '-W', 'ignore', scenarios, scenario], { env, timeout: 120_000 });
  } catch (error) {
    throw new Error((error as { stderr?: string }).stderr || String(error));
  }
}

describe.each(installed)('$name', ({ python }) => {
  describe.skipIf(python === '').each(kinds)('against a %s server', (kind) => {
    let server: TlsServer;
    beforeAll(async () => {
      server = await startTlsServer(kind);
    });
    afterAll(async () => {
      await server?.close();
    });

    it.each(played[kind])('plays %s', async (scenario) => {
      await play(python, server, scenario);
    });
  });

  it.skipIf(python === '')('has no scenario that is not played', async () => {
    const { stdout } = await run(python, ['-B', scenarios, '--list']);

    expect(stdout.trim().split('\n').toSorted()).toEqual(Object.values(played).flat().toSorted());
  });
});
