import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFault } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMirror, type Mirror } from './mirror.ts';
import { checkCommitId, checkSource, checkTreePath, isRefName, toRefName } from './names.ts';
import { createGitProgram, type GitProgram } from './program.ts';

let root: string;
let source: string;
let git: GitProgram;
let mirror: Mirror;
const inSource = (...args: string[]): string =>
  execFileSync('git', args, {
    cwd: source,
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      HOME: root,
      GIT_AUTHOR_NAME: 'Ann',
      GIT_AUTHOR_EMAIL: 'ann@example.com',
      GIT_COMMITTER_NAME: 'Ann',
      GIT_COMMITTER_EMAIL: 'ann@example.com',
      GIT_COMMITTER_DATE: '1700000000 +0100',
      GIT_AUTHOR_DATE: '1600000000 +0100',
    },
  }).trim();

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-git-'));
  source = join(root, 'source');
  mkdirSync(join(root, 'home'));
  mkdirSync(source);
  inSource('init', '-q', '-b', 'main');
  writeFileSync(join(source, 'a.txt'), 'hello\n');
  writeFileSync(join(source, 'secret.txt'), 'kept\n');
  writeFileSync(join(source, 'run.sh'), '#!/bin/sh\n');
  writeFileSync(
    join(source, '.gitattributes'),
    'secret.txt export-ignore\na.txt export-subst ident filter=evil\n',
  );
  chmodSync(join(source, 'run.sh'), 0o755);
  symlinkSync('a.txt', join(source, 'link'));
  inSource('add', '-A');
  inSource('commit', '-qm', 'first\n\nbody');
  inSource('tag', '-am', 'a release', 'v1.0.0');
  git = createGitProgram({ home: join(root, 'home') });
  mirror = createMirror(git, join(root, 'mirror.git'));
  await mirror.fetch(source);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return 'no fault';
  } catch (error) {
    return isFault(error) ? error.code : String(error);
  }
};

describe('names', () => {
  it.each([
    'refs/heads/main',
    'refs/heads/feature/a-b_c.d',
    'refs/tags/v1.0.0+build',
    'refs/pull/12/head',
    'refs/merge-requests/7/head',
    'refs/heads/dependabot/npm/@types/node-26',
  ])('takes %s', (ref) => {
    expect(isRefName(ref)).toBe(true);
  });

  it.each([
    '',
    'main',
    'HEAD',
    'refs/heads/',
    'refs/heads/-x',
    'refs/heads/a/-x',
    '--upload-pack=x',
    'refs/heads/a..b',
    'refs/heads/a\nb',
    'refs/heads/a\0b',
    'refs/heads/a b',
    'refs/heads/a@{1}',
    'refs/heads/a^1',
    'refs/heads/a~1',
    'refs/heads/a:b',
    'refs/heads/a*',
    'refs/heads/.a',
    'refs/heads/a.lock',
    'refs/heads/a.',
    'refs/heads//a',
    'refs/heads/a/',
    'refs/heads/../../config',
    'refs/heads/\u202eniam',
    'refs/remotes/origin/main',
    'refs/pull/x/head',
    'refs/pull/1/merge',
    `refs/heads/${'a'.repeat(300)}`,
  ])('refuses %j', (ref) => {
    expect(isRefName(ref)).toBe(false);
    expect(() => toRefName(ref === 'main' || ref === 'HEAD' ? `-${ref}` : ref)).toThrow(
      /expected a full ref/,
    );
  });

  it.each([
    '',
    'HEAD',
    'a'.repeat(39),
    'A'.repeat(40),
    `${'a'.repeat(40)}\n`,
    `-${'a'.repeat(39)}`,
    'a'.repeat(41),
  ])('refuses commit %j', (text) => {
    expect(() => checkCommitId(text)).toThrow(/expected a commit/);
  });

  it.each([
    'ext::sh -c touch% /tmp/x',
    'ext::sh',
    '-uhttps://x/y',
    '--upload-pack=x',
    'http://example.com/x',
    'git://example.com/x',
    'https://user:pw@example.com/x',
    'https://user@example.com/x',
    'ssh://-oProxyCommand=x/y',
    'ssh://a@-oProxyCommand=x/y',
    'ssh://-x@example.com/y',
    'ssh://example.com/-y',
    'git@example.com:x/y',
    'relative/path',
    '/a/../b',
    'file://host/x',
    'https://example.com/x\nrefs',
    '/a b',
    'HTTPS://example.com',
    '',
    'fd::3',
  ])('refuses source %j', (text) => {
    expect(() => checkSource(text)).toThrow(/expected a repository/);
  });

  it.each([
    '/srv/git/a.git',
    'file:///srv/git/a.git',
    'https://example.com/a/b.git',
    'ssh://git@example.com:2222/a',
  ])('takes source %s', (text) => {
    expect(checkSource(text)).toBe(text);
  });

  it.each(['../x', '/x', 'a//b', '.git/config', 'a/.GIT/b', 'a\\b', 'a\nb', ''])(
    'refuses path %j',
    (path) => {
      expect(() => checkTreePath(path)).toThrow(/expected a relative path/);
    },
  );
});

describe('mirror', () => {
  it('lists refs with the commit they lead to', async () => {
    const refs = await mirror.refs();

    expect(refs.map(({ ref }) => ref)).toEqual(['refs/heads/main', 'refs/tags/v1.0.0']);
    expect(refs[1]?.commit).toBe(inSource('rev-parse', 'main'));
    expect(refs[1]?.object).not.toBe(refs[1]?.commit);
    expect(await mirror.find('refs/heads/mai')).toBeUndefined();
  });

  it('reads a commit and a tag from their raw bytes', async () => {
    const main = inSource('rev-parse', 'main');

    const commit = await mirror.commit(main);
    const tag = await mirror.tag(inSource('rev-parse', 'v1.0.0'));

    expect(commit).toMatchObject({
      subject: 'first',
      author: { name: 'Ann', email: 'ann@example.com', epochSeconds: 1_600_000_000 },
      committer: { epochSeconds: 1_700_000_000 },
      parents: [],
    });
    expect(commit.signed).toBeUndefined();
    expect(tag).toMatchObject({ target: main, targetType: 'commit' });
  });

  it('archives every file, whatever the attributes of the repository say, twice the same', async () => {
    const main = inSource('rev-parse', 'main');

    const tar = await mirror.archive(main, 1_000_000);
    const again = await createMirror(git, join(root, 'mirror.git')).archive(main, 1_000_000);
    const names = execFileSync('tar', ['-tvf', '-'], {
      input: tar,
      encoding: 'utf8',
      env: { TZ: 'UTC', PATH: '/bin:/usr/bin' },
    });

    expect(Buffer.from(again).equals(Buffer.from(tar))).toBe(true);
    expect(names).toContain('secret.txt');
    expect(names).toMatch(/-rwxr-xr-x 0\/0 +10 2023-11-14 22:13 run\.sh/);
    expect(names).toContain('link -> a.txt');
  });

  it('reads a file, and nothing that is none', async () => {
    const main = inSource('rev-parse', 'main');

    expect(Buffer.from((await mirror.readFile(main, 'a.txt', 100)) ?? []).toString()).toBe('hello\n');
    expect(await mirror.readFile(main, 'nothing', 100)).toBeUndefined();
    expect(await mirror.readFile(main, 'link', 100)).toBeUndefined();
    expect(await codeOf(() => mirror.readFile(main, 'a.txt', 3))).toBe('pipeline.file_too_large');
  });

  it('refuses a tree with a link that leaves it', async () => {
    inSource('checkout', '-qb', 'evil');
    symlinkSync('../../etc/passwd', join(source, 'out'));
    inSource('add', '-A');
    inSource('commit', '-qm', 'evil');
    await mirror.fetch(source);

    expect(await codeOf(() => mirror.archive(inSource('rev-parse', 'evil'), 1_000_000))).toMatch(
      /^formats\.tar/,
    );
    inSource('checkout', '-q', 'main');
    inSource('branch', '-qD', 'evil');
  });

  it('knows history', async () => {
    writeFileSync(join(source, 'b.txt'), 'b');
    const first = inSource('rev-parse', 'main');
    inSource('add', '-A');
    inSource('commit', '-qm', 'second');
    const second = inSource('rev-parse', 'main');
    await mirror.fetch(`file://${source}`);

    expect(await mirror.isAncestor(first, second)).toBe(true);
    expect(await mirror.isAncestor(second, first)).toBe(false);
    expect(await mirror.hasCommit(second)).toBe(true);
    expect(await mirror.hasCommit('1'.repeat(40))).toBe(false);
  });

  it('never runs a program that a source names', async () => {
    const mark = join(root, 'mark');

    expect(await codeOf(() => mirror.fetch(`ext::sh -c touch% ${mark}`))).toBe('pipeline.bad_source');
    // Behind the check, git itself is told the same.
    const output = await git.run([
      `--git-dir=${join(root, 'mirror.git')}`,
      'fetch',
      `ext::sh -c touch% ${mark}`,
    ]);
    expect(output.status).not.toBe(0);
    expect(output.stderr).toContain("transport 'ext' not allowed");
    expect(existsSync(mark)).toBe(false);
  });

  it('says why a fetch failed', async () => {
    await expect(mirror.fetch(join(root, 'none'))).rejects.toMatchObject({ code: 'pipeline.fetch_failed' });
  });

  it('bounds time and output of the program', async () => {
    const dir = `--git-dir=${join(root, 'mirror.git')}`;
    const main = inSource('rev-parse', 'main');

    expect(await codeOf(() => git.run([dir, 'cat-file', 'commit', main], { maxOutputBytes: 10 }))).toBe(
      'pipeline.git_output',
    );
    expect(await codeOf(() => git.run(['-c', 'alias.wait=!sleep 30', 'wait'], { timeoutSeconds: 0.3 }))).toBe(
      'pipeline.git_timeout',
    );
  });
});
