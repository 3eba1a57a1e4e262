import { describe, expect, it } from 'vitest';
import { contextReadmes, documentPaths, fileLength, fileNames, knownLimits } from './files.ts';
import { machineNames } from './machine.ts';
import { madeTree } from './tree.ts';

const lines = (count: number): string => 'x\n'.repeat(count);

describe('file names', () => {
  it.each([
    'packages/server/src/ledger/merkleTree.ts',
    'packages/server/src/ledger/Merkle.ts',
    'packages/server/src/ledger/merkle_tree.ts',
    'packages/server/src/ledger/utils.ts',
    'packages/server/src/ledger/tree-helpers.ts',
    'packages/server/src/common/tree.ts',
    'packages/agent/src/lease-manager.ts',
    'packages/agent/src/session-v2.ts',
  ])('refuse %s', (path) => {
    expect(fileNames(madeTree({ [path]: '' }))).toEqual([expect.stringContaining(path)]);
  });

  it.each([
    'packages/server/src/ledger/store.pg.ts',
    'packages/server/src/ledger/migrations/0001-log.ts',
    'packages/formats/src/tlog/tiles.vectors.test.ts',
    'packages/agent/src/sandbox/cgroup/v2.ts',
    'docs/README.md',
  ])('take %s', (path) => {
    expect(fileNames(madeTree({ [path]: '' }))).toEqual([]);
  });
});

describe('file length', () => {
  it.each([
    ['packages/a/src/a.ts', 400, 401],
    ['packages/a/src/a.test.ts', 600, 601],
    ['tools/check.mjs', 400, 401],
  ])('of %s ends at %d', (path, most, over) => {
    expect(fileLength(madeTree({ [path]: lines(most) }))).toEqual([]);
    expect(fileLength(madeTree({ [path]: lines(over) }))).toEqual([expect.stringContaining(`got ${over}`)]);
  });
});

describe('context readmes', () => {
  const door = 'packages/server/src/ledger/index.ts';
  const readme = 'packages/server/src/ledger/README.md';

  it('must be there and short', () => {
    expect(contextReadmes(madeTree({ [door]: '' }))).toEqual([expect.stringContaining('expected a README')]);
    expect(contextReadmes(madeTree({ [door]: '', [readme]: lines(81) }))).toEqual([
      expect.stringContaining('got 81'),
    ]);
    expect(contextReadmes(madeTree({ [door]: '', [readme]: lines(80) }))).toEqual([]);
  });
});

describe('known limits', () => {
  const path = 'packages/agent/src/a.ts';
  const limit = `// KNOWN ${'LIMIT'}: not a quota`;
  const listed = `# Security\n\n## Known limits\n\n- \`${path}\`: no quota\n\n## Reports\n`;

  it('must be listed, and what is listed must still be one', () => {
    expect(knownLimits(madeTree({ [path]: limit }))).toHaveLength(1);
    expect(knownLimits(madeTree({ [path]: limit, 'SECURITY.md': listed }))).toEqual([]);
    expect(knownLimits(madeTree({ [path]: '', 'SECURITY.md': listed }))).toEqual([
      expect.stringContaining('any more'),
    ]);
  });

  it('are listed in their own section, and nowhere else', () => {
    const elsewhere = `## Threats\n\n\`${path}\`\n`;

    expect(knownLimits(madeTree({ [path]: limit, 'SECURITY.md': elsewhere }))).toHaveLength(1);
    expect(knownLimits(madeTree({ [path]: '', 'SECURITY.md': elsewhere }))).toEqual([]);
  });

  it('may be a section of a document', () => {
    const readme = 'packages/agent/README.md';

    expect(knownLimits(madeTree({ [readme]: `# a\n\n## Known ${'limits'}\n\n- one` }))).toHaveLength(1);
  });
});

describe('paths in documents', () => {
  it('must exist, as a file or a folder', () => {
    const files = { 'packages/a/src/a.ts': '', 'docs/x.md': 'see `packages/a/src/a.ts` and `packages/a/`' };

    expect(documentPaths(madeTree(files))).toEqual([]);
    expect(documentPaths(madeTree({ ...files, 'A.md': 'see `packages/a/src/b.ts`' }))).toEqual([
      'A.md: names packages/a/src/b.ts, which is not there',
    ]);
  });
});

describe('machine names', () => {
  const check = machineNames({ hosts: ['npm.corp.example'], paths: ['/build/agent7/'] });

  it('are found in text and left alone elsewhere', () => {
    expect(check(madeTree({ '.npmrc': 'registry=https://npm.corp.example/' }))).toEqual([
      expect.stringContaining('.npmrc'),
    ]);
    expect(check(madeTree({ 'a.md': 'see /build/agent7/x' }))).toHaveLength(1);
    expect(check(madeTree({ 'a.md': 'fine', 'a.png': '\0/build/agent7/' }))).toEqual([]);
  });
});
