import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../bytes/digest.ts';
import { isFault } from '../fault.ts';
import type { SigstorePolicy } from './policy.ts';
import { parsePublicKeyPem } from './signer.ts';
import { parseSigstoreTrustedRoot } from './trusted-root.ts';
import { verifySigstoreBundle } from './verify.ts';

/*
 * Cases of the public Sigstore client conformance suite, where they are laid beside the repository. What each file of a
 * case means is told in the suite.
 */
const suite = join(import.meta.dirname, '../../../../../shared/conformance/sigstore-bundle-verify');
const here = existsSync(suite);
const beacon =
  'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main';

function verifyCase(name: string, how: 'bytes' | 'digest'): void {
  const inCase = (file: string): string => join(suite, name, file);
  const text = (file: string): string | undefined =>
    existsSync(inCase(file)) ? readFileSync(inCase(file), 'utf8') : undefined;
  const artifact = existsSync(inCase('artifact')) ? inCase('artifact') : join(suite, 'a.txt');
  const bytes = new Uint8Array(readFileSync(artifact));
  const key = text('key.pub');
  const policy: SigstorePolicy =
    key === undefined
      ? {
          identity: text('identity')?.trim() ?? beacon,
          issuer: text('issuer')?.trim() ?? 'https://token.actions.githubusercontent.com',
          subjects: 'many',
        }
      : { key: parsePublicKeyPem(key), subjects: 'many' };
  verifySigstoreBundle({
    bundle: readFileSync(inCase('bundle.sigstore.json'), 'utf8'),
    trustedRoot: parseSigstoreTrustedRoot(
      text('trusted_root.json') ?? readFileSync(join(suite, 'default_trusted_root.json'), 'utf8'),
    ),
    artifact: how === 'bytes' ? { bytes } : { digest: digestOf(bytes) },
    policy,
  });
}

describe.skipIf(!here)(`the conformance suite${here ? '' : ` (skipped: no ${suite})`}`, () => {
  const cases = here
    ? readdirSync(suite).filter((name) => existsSync(join(suite, name, 'bundle.sigstore.json')))
    : [];

  it('has cases to accept and cases to refuse', () => {
    expect(cases.filter((name) => name.endsWith('_fail')).length).toBeGreaterThan(20);
    expect(cases.filter((name) => !name.endsWith('_fail')).length).toBeGreaterThan(5);
  });

  for (const how of ['bytes', 'digest'] as const) {
    it.each(cases)(`%s, by ${how}`, (name) => {
      let refused: unknown;
      try {
        verifyCase(name, how);
      } catch (error) {
        refused = error;
      }
      if (!name.endsWith('_fail')) {
        if (refused !== undefined) throw refused;
        return;
      }
      if (!isFault(refused)) throw new Error('a Fault was expected');
      expect(refused.kind).not.toBe('internal');
    });
  }
});
