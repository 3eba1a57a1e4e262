import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SshKey } from './ssh-key.ts';

/** A git repository of one author, whose commits are signed as `git commit -S` would sign them. */
export interface Repository {
  readonly directory: string;
  /** Commits everything in the work tree on `branch` and returns the commit. */
  commit(message: string, options?: { readonly branch?: string; readonly signed?: boolean }): string;
  write(file: string, content: string): void;
}

export interface Author {
  readonly name: string;
  readonly email: string;
  readonly key: SshKey;
}

export function createRepository(directory: string, template: string, author: Author): Repository {
  mkdirSync(directory, { recursive: true });
  cpSync(template, directory, {
    recursive: true,
    filter: (source) => !/\/(node_modules|dist|\.git)(\/|$)/.test(source.slice(template.length)),
  });
  const git = (args: readonly string[], input?: Uint8Array): string =>
    execFileSync('git', args, {
      cwd: directory,
      env: { PATH: process.env['PATH'], HOME: directory, GIT_CONFIG_NOSYSTEM: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(input === undefined ? {} : { input }),
    })
      .toString()
      .trim();
  git(['init', '--quiet', '--initial-branch=main']);
  writeFileSync(join(directory, '.git', 'info', 'exclude'), 'node_modules/\ndist/\n');

  function commit(message: string, { branch = 'main', signed = true } = {}): string {
    git(['add', '--all']);
    const tree = git(['write-tree']);
    const ref = `refs/heads/${branch}`;
    const parent = git(['for-each-ref', '--format=%(objectname)', ref]) || headOrNothing(git);
    const who = `${author.name} <${author.email}> ${Math.floor(Date.now() / 1000)} +0000`;
    const head = [
      `tree ${tree}`,
      ...(parent === '' ? [] : [`parent ${parent}`]),
      `author ${who}`,
      `committer ${who}`,
    ];
    const body = `\n${message}\n`;
    const unsigned = Buffer.from(`${head.join('\n')}\n${body}`);
    const header = signed ? `\ngpgsig ${author.key.sign(unsigned).replaceAll('\n', '\n ')}` : '';
    const object = signed ? Buffer.from(`${head.join('\n')}${header}\n${body}`) : unsigned;
    const id = git(['hash-object', '-t', 'commit', '-w', '--stdin'], object);
    git(['update-ref', ref, id]);
    return id;
  }

  return {
    directory,
    commit,
    write: (file, content) => writeFileSync(join(directory, file), content),
  };
}

/** A new branch starts from main. */
function headOrNothing(git: (args: readonly string[]) => string): string {
  return git(['for-each-ref', '--format=%(objectname)', 'refs/heads/main']);
}
