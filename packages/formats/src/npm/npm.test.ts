import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toBase64 } from '../bytes/encodings.ts';
import { isFault } from '../fault.ts';
import { parseIntegrity } from './integrity.ts';
import { parsePackageLock } from './package-lock.ts';
import { npmPurl } from './purl.ts';

const sha512 = `sha512-${toBase64(new Uint8Array(64).fill(5))}`;
const sha1 = `sha1-${toBase64(new Uint8Array(20))}`;
const lock = (packages: unknown, lockfileVersion: unknown = 3) =>
  JSON.stringify({ lockfileVersion, packages });

describe('parsePackageLock', () => {
  it('gives the packages from outside, under their own names', () => {
    const packages = parsePackageLock(
      lock({
        '': { name: 'app', version: '1.0.0' },
        'node_modules/a': {
          version: '1.0.0',
          integrity: sha512,
          resolved: 'https://r.test/a.tgz',
          dev: true,
        },
        'node_modules/a/node_modules/@s/b': {
          version: '2.0.0-rc.1+x',
          optional: true,
          hasInstallScript: true,
        },
        'node_modules/alias': { name: 'JSONStream', version: '1.3.5', inBundle: true },
        'node_modules/local': { resolved: 'packages/local', link: true },
        'packages/local': { version: '0.0.1' },
        '../outside': { version: '0.0.1' },
        'packages/local/node_modules/c': { version: '3.0.0', devOptional: true },
      }),
    );

    expect(packages.map((p) => [p.name, p.version])).toEqual([
      ['a', '1.0.0'],
      ['@s/b', '2.0.0-rc.1+x'],
      ['JSONStream', '1.3.5'],
      ['c', '3.0.0'],
    ]);
    expect(packages[0]).toEqual({
      path: 'node_modules/a',
      name: 'a',
      version: '1.0.0',
      integrity: sha512,
      resolved: 'https://r.test/a.tgz',
      dev: true,
      optional: false,
      bundled: false,
      hasInstallScript: false,
    });
    expect(packages[1]).toMatchObject({ optional: true, hasInstallScript: true });
    expect(packages[2]).toMatchObject({ bundled: true });
    expect(packages[3]).toMatchObject({ dev: false, optional: true });
  });

  it('reads the lock file of this repository', () => {
    const packages = parsePackageLock(
      readFileSync(new URL('../../../../package-lock.json', import.meta.url), 'utf8'),
    );

    expect(packages.length).toBeGreaterThan(100);
    expect(packages.find((p) => p.name === 'fast-check')?.dev).toBe(true);
    for (const { integrity } of packages) if (integrity !== undefined) parseIntegrity(integrity);
  });

  it.each([
    ['version 1', JSON.stringify({ lockfileVersion: 1, dependencies: {} })],
    ['version 4', lock({}, 4)],
    ['no version', JSON.stringify({ packages: {} })],
    ['packages that are a list', lock([])],
    ['a package that is text', lock({ 'node_modules/a': 'x' })],
    ['no version of a package', lock({ 'node_modules/a': {} })],
    ['a version that is a URL', lock({ 'node_modules/a': { version: 'https://evil.test/x.tgz' } })],
    ['a path that climbs', lock({ 'node_modules/../../x': { version: '1.0.0' } })],
    ['a path that climbs before', lock({ 'packages/../node_modules/a': { version: '1.0.0' } })],
    ['an absolute path', lock({ '/node_modules/a': { version: '1.0.0' } })],
    ['a backslash', lock({ 'node_modules\\a': { version: '1.0.0' } })],
    ['a name with a slash', lock({ 'node_modules/a/b': { version: '1.0.0' } })],
    ['a name that is dots', lock({ 'node_modules/a': { name: '..', version: '1.0.0' } })],
    ['an integrity that is a number', lock({ 'node_modules/a': { version: '1.0.0', integrity: 5 } })],
    [
      'a duplicate package',
      lock({ 'node_modules/a': { version: '1.0.0' } }).replace(
        '"node_modules/a"',
        '"node_modules/a":{},"node_modules/a"',
      ),
    ],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    let refused = false;
    try {
      parsePackageLock(text);
    } catch (error) {
      refused = isFault(error) && error.kind === 'invalid';
    }

    expect(refused).toBe(true);
  });
});

describe('parseIntegrity', () => {
  it('gives the strongest hash', () => {
    expect(parseIntegrity(sha512)).toEqual({ algorithm: 'sha512', hash: new Uint8Array(64).fill(5) });
    expect(parseIntegrity(`${sha1} ${sha512}`).algorithm).toBe('sha512');
    expect(parseIntegrity(sha1).algorithm).toBe('sha1');
  });

  it.each([
    '',
    'sha512-',
    'sha512-AAAA',
    `${sha512}?opt`,
    `${sha512} ${sha512}`,
    `md5-${'A'.repeat(22)}==`,
    sha512.replace('sha512', 'SHA512'),
    ` ${sha512}`,
    `${sha512}\n`,
  ])('refuses %j', (text) => {
    expect(() => parseIntegrity(text)).toThrow(/expected/);
  });
});

describe('npmPurl', () => {
  it('writes package URLs', () => {
    expect(npmPurl('fastify', '5.6.0')).toBe('pkg:npm/fastify@5.6.0');
    expect(npmPurl('@sigstore/verify', '4.1.3')).toBe('pkg:npm/%40sigstore/verify@4.1.3');
    expect(npmPurl('a', '1.0.0+build.1')).toBe('pkg:npm/a@1.0.0%2Bbuild.1');
  });

  it.each([
    ['', '1.0.0'],
    ['@/x', '1.0.0'],
    ['a/b', '1.0.0'],
    ['a', ''],
    ['a', '^1.0.0'],
    ['a@b', '1.0.0'],
    ['..', '1.0.0'],
  ])('refuses %j %j', (name, version) => {
    expect(() => npmPurl(name, version)).toThrow(/expected an npm/);
  });
});
