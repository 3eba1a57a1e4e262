import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as architecture from '../../architecture.mjs';
import { checkImports } from './imports.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sallyport-imports-'));
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(root, 'node_modules'));
});
afterEach(() => rm(root, { recursive: true }));

const server = 'packages/server/src';
const sound: Readonly<Record<string, string>> = {
  'packages/server/package.json': JSON.stringify({
    name: '@sallyport/server',
    type: 'module',
    imports: {
      '#platform': './src/platform/index.ts',
      '#keyring': './src/keyring/index.ts',
      '#ledger': './src/ledger/index.ts',
    },
  }),
  [`${server}/platform/index.ts`]: "export * from './ports.ts';",
  [`${server}/platform/ports.ts`]: 'export interface Clock { now(): Date }',
  [`${server}/keyring/index.ts`]:
    "import type { Clock } from '#platform';\nexport const open = (clock: Clock) => clock;",
  [`${server}/keyring/root-key.ts`]: 'export const rootKey = 1;',
  [`${server}/ledger/index.ts`]: "import { open } from '#keyring';\nexport const ledger = open;",
  [`${server}/ledger/store.pg.ts`]: "import { sql } from 'kysely';\nexport const query = sql;",
  [`${server}/ledger/ledger.test.ts`]:
    "import { fixed } from '../../test-support/fakes.ts';\nexport const clock = fixed;",
  'packages/server/test-support/fakes.ts': 'export const fixed = 1;',
  'packages/formats/src/index.ts': 'export const digest = 1;',
  'packages/agent/src/sandbox/start.ts':
    "import { spawn } from 'node:child_process';\nexport const start = spawn;",
  'packages/agent/src/main.ts': "export { start } from './sandbox/start.ts';",
};

async function problemsWith(planted: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const files = { ...sound, ...planted };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const expected = Object.keys(files).filter((path) => path.endsWith('.ts'));
  const { problems, modules } = await checkImports(root, architecture, expected);
  expect(modules).toBe(expected.length);
  return problems;
}

describe('imports', () => {
  it('of a sound tree are clean', async () => {
    expect(await problemsWith({})).toEqual([]);
  });

  it.each<readonly [rule: string, path: string, text: string]>([
    [
      'one-door-keyring',
      `${server}/ledger/a.ts`,
      "import { rootKey } from '../keyring/root-key.ts';\nexport const a = rootKey;",
    ],
    [
      'one-door-keyring',
      `${server}/ledger/a.test.ts`,
      "import { rootKey } from '../keyring/root-key.ts';\nexport const a = rootKey;",
    ],
    [
      'one-door-platform',
      `${server}/ledger/a.ts`,
      "import type { Clock } from '../platform/ports.ts';\nexport type A = Clock;",
    ],
    [
      'enter-by-name',
      `${server}/ledger/a.ts`,
      "import { open } from '../keyring/index.ts';\nexport const a = open;",
    ],
    ['edge-keyring', `${server}/keyring/a.ts`, "import { ledger } from '#ledger';\nexport const a = ledger;"],
    [
      'edge-keyring',
      `${server}/keyring/a.ts`,
      "import type { ledger } from '#ledger';\nexport type A = typeof ledger;",
    ],
    [
      'edge-keyring',
      `${server}/keyring/a.fixture.ts`,
      "import { ledger } from '#ledger';\nexport const a = ledger;",
    ],
    ['edge-keyring', `${server}/keyring/a.ts`, "export const a = async () => import('#ledger');"],
    [
      'platform-knows-nobody',
      `${server}/platform/a.ts`,
      "import { ledger } from '#ledger';\nexport const a = ledger;",
    ],
    [
      'package-formats',
      'packages/formats/src/a.ts',
      "import { start } from '../../agent/src/main.ts';\nexport const a = start;",
    ],
    [
      'package-agent',
      'packages/agent/src/a.ts',
      "import { ledger } from '../../server/src/ledger/index.ts';\nexport const a = ledger;",
    ],
    ['only-in-kysely', `${server}/ledger/a.ts`, "import { sql } from 'kysely';\nexport const a = sql;"],
    ['only-in-kysely', `${server}/ledger/a.ts`, "import pg from 'pg';\nexport const a = pg;"],
    ['only-in-fastify', `${server}/ledger/a.ts`, "import fastify from 'fastify';\nexport const a = fastify;"],
    [
      'only-in-node-child-process',
      `${server}/ledger/a.ts`,
      "import { exec } from 'node:child_process';\nexport const a = exec;",
    ],
    [
      'only-in-node-child-process',
      `${server}/ledger/a.ts`,
      "import { exec } from 'child_process';\nexport const a = exec;",
    ],
    [
      'only-in-node-child-process',
      'packages/agent/src/deploy/a.ts',
      "import { exec } from 'node:child_process';\nexport const a = exec;",
    ],
    ['no-unresolved', `${server}/ledger/a.ts`, "import { a } from './nowhere.ts';\nexport const b = a;"],
    [
      'tests-stay-outside',
      `${server}/ledger/a.ts`,
      "import { fixed } from '../../test-support/fakes.ts';\nexport const a = fixed;",
    ],
  ])('%s is broken by %s: %j', async (rule, path, text) => {
    const problems = await problemsWith({ [path]: text });

    expect(problems.map((problem) => problem.split(':')[0])).toContain(rule);
    expect(problems.join('\n')).toContain(path);
  });

  it('no-cycle is broken by two files that need each other', async () => {
    const problems = await problemsWith({
      [`${server}/ledger/a.ts`]: "import { b } from './b.ts';\nexport const a = () => b;",
      [`${server}/ledger/b.ts`]: "import { a } from './a.ts';\nexport const b = () => a;",
    });

    expect(problems.map((problem) => problem.split(':')[0])).toContain('no-cycle');
  });

  it('are not clean when a file was not read', async () => {
    await problemsWith({});

    const { problems, modules } = await checkImports(root, architecture, ['packages/server/src/unseen.ts']);

    expect(problems).toEqual(['packages/server/src/unseen.ts: was not read, so nothing in it was checked']);
    expect(modules).toBe(0);
  });
});
