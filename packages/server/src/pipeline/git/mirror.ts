import { existsSync } from 'node:fs';
import { mkdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault, fromUtf8, type TarEntry, utf8, writeTar } from '@sallyport/formats';
import { checkCommitId, checkRefName, checkSource, checkTreePath, isRefName } from './names.ts';
import { type Commit, parseCommit, parseTag, type Tag } from './objects.ts';
import type { GitOutput, GitProgram, GitRunOptions } from './program.ts';

export interface RefAt {
  readonly ref: string;
  /** The object the ref names: a commit, or an annotated tag. */
  readonly object: string;
  /** The commit it leads to. */
  readonly commit: string;
}

/** A bare copy of one repository, on local disk. Every argument is checked again here, whoever calls. */
export interface Mirror {
  /** Brings branches, tags and heads of pull requests up to date with the source; gone refs go. */
  fetch(source: string): Promise<void>;
  /** All refs that have a name we accept and lead to a commit. */
  refs(): Promise<RefAt[]>;
  find(ref: string): Promise<RefAt | undefined>;
  hasCommit(commit: string): Promise<boolean>;
  /** Whether `commit` is `descendant` or in its history. */
  isAncestor(commit: string, descendant: string): Promise<boolean>;
  commit(commit: string): Promise<Commit>;
  tag(object: string): Promise<Tag>;
  /** The bytes of a file at a commit, undefined when it is not there or no plain file. */
  readFile(commit: string, path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** The tree of a commit as tar: the same commit gives the same bytes. No attribute of the repository has a say. */
  archive(commit: string, maxBytes: number): Promise<Uint8Array>;
}

export function createMirror(git: GitProgram, directory: string): Mirror {
  const inside = (args: readonly string[], options?: GitRunOptions): Promise<GitOutput> =>
    git.run([`--git-dir=${directory}`, ...args], options);
  const must = async (
    what: string,
    args: readonly string[],
    options?: GitRunOptions,
  ): Promise<Uint8Array> => {
    const output = await inside(args, options);
    if (output.status !== 0) throw failed(what, output);
    return output.stdout;
  };

  async function create(): Promise<void> {
    if (existsSync(join(directory, 'HEAD'))) return;
    // Made aside and renamed: a crash leaves no half repository under the real name.
    const draft = `${directory}.new`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o700 });
    const made = await git.run([
      'init',
      '--quiet',
      '--bare',
      '--template=',
      '--initial-branch=none',
      '--',
      draft,
    ]);
    if (made.status !== 0) throw failed('create the mirror', made);
    await rm(directory, { recursive: true, force: true });
    await rename(draft, directory);
  }

  async function refs(...patterns: string[]): Promise<RefAt[]> {
    const format = '%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)';
    const out = await must('list refs', ['for-each-ref', `--format=${format}`, '--', ...patterns]);
    return fromBytes(out)
      .split('\n')
      .flatMap((line) => {
        const [ref = '', object = '', type, target = '', targetType] = line.split('\0');
        const commit = type === 'commit' ? object : targetType === 'commit' ? target : '';
        return isRefName(ref) && commit !== '' ? [{ ref, object, commit }] : [];
      });
  }

  async function object(type: 'commit' | 'tag', id: string): Promise<Uint8Array> {
    return must(`read ${type} ${id}`, ['cat-file', type, checkCommitId(id)], { maxOutputBytes: 1024 * 1024 });
  }

  return {
    async fetch(source) {
      const from = checkSource(source);
      await refuseOwnCopies(from, dirname(directory));
      await create();
      const specs = ['heads/*', 'tags/*', 'pull/*/head', 'merge-requests/*/head'];
      const output = await inside(
        [
          'fetch',
          '--quiet',
          '--prune',
          '--no-tags',
          '--no-recurse-submodules',
          '--no-write-fetch-head',
          '--no-auto-maintenance',
          '--end-of-options',
          from,
          ...specs.map((spec) => `+refs/${spec}:refs/${spec}`),
        ],
        { timeoutSeconds: 300 },
      );
      if (output.status !== 0) throw fetchFailed(output);
    },

    refs: () => (existsSync(directory) ? refs() : Promise.resolve([])),

    async find(ref) {
      if (!existsSync(directory)) return undefined;
      // for-each-ref takes a prefix up to a slash too: only the exact name counts.
      return (await refs(checkRefName(ref))).find((found) => found.ref === ref);
    },

    async hasCommit(commit) {
      if (!existsSync(directory)) return false;
      const output = await inside(['cat-file', '-e', `${checkCommitId(commit)}^{commit}`]);
      return output.status === 0;
    },

    async isAncestor(commit, descendant) {
      const args = ['merge-base', '--is-ancestor', checkCommitId(commit), checkCommitId(descendant)];
      const output = await inside(args);
      if (output.status > 1 || output.status < 0) throw failed('compare commits', output);
      return output.status === 0;
    },

    commit: async (commit) => parseCommit(await object('commit', commit), commit),
    tag: async (id) => parseTag(await object('tag', id), id),

    async readFile(commit, path, maxBytes) {
      const entries = await tree(await must('list a tree', lsTree(commit, [checkTreePath(path)])));
      const entry = entries.find((each) => each.path === path);
      if (entry?.mode !== '100644' && entry?.mode !== '100755') return undefined;
      if (entry.sizeBytes > maxBytes) {
        const got = `${entry.sizeBytes} bytes`;
        throw new Fault(
          'invalid',
          'pipeline.file_too_large',
          `expected "${path}" of at most ${maxBytes} bytes, got ${got}`,
        );
      }
      return must('read a file', ['cat-file', 'blob', entry.object], { maxOutputBytes: maxBytes + 1 });
    },

    async archive(commit, maxBytes) {
      const { committer } = parseCommit(await object('commit', commit), commit);
      const entries = tree(
        await must('list the tree', lsTree(commit, []), { maxOutputBytes: 64 * 1024 * 1024 }),
      );
      const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes + 512, 0);
      if (sizeBytes > maxBytes) {
        const got = `${sizeBytes}`;
        throw new Fault(
          'exhausted',
          'pipeline.source_too_large',
          `expected a tree of at most ${maxBytes} bytes, got ${got}`,
        );
      }
      const wanted = entries.filter((entry) => entry.mode !== gitlink);
      const bodies = await must('read the tree', ['cat-file', '--batch'], {
        input: utf8(wanted.map((entry) => `${entry.object}\n`).join('')),
        maxOutputBytes: sizeBytes + wanted.length * 200,
        timeoutSeconds: 300,
      });
      return toTar(entries, splitBatch(bodies, wanted), committer.epochSeconds);
    },
  };
}

/** Whoever may add a repository must not thereby read the copies of other projects' that lie beside this one. */
async function refuseOwnCopies(source: string, copies: string): Promise<void> {
  if (!source.startsWith('/') && !source.startsWith('file:')) return;
  // What is not there cannot be fetched either; git says so better.
  const real = await realpath(source.startsWith('/') ? source : fileURLToPath(source)).catch(() => '/');
  const below = relative(await realpath(copies), real);
  if (!/^repo_[^/]*\.git(\/|$)/.test(below)) return;
  throw new Fault(
    'invalid',
    'pipeline.bad_source',
    'expected a repository of your own, got a copy of this server',
    {
      hint: 'name the place that it was copied from',
    },
  );
}

interface TreeEntry {
  readonly mode: string;
  readonly object: string;
  readonly sizeBytes: number;
  readonly path: string;
}

const gitlink = '160000';

const lsTree = (commit: string, paths: readonly string[]): string[] => [
  'ls-tree',
  '-r',
  '-z',
  '--long',
  '--full-tree',
  '--end-of-options',
  checkCommitId(commit),
  ...(paths.length === 0 ? [] : ['--', ...paths]),
];

function tree(out: Uint8Array): TreeEntry[] {
  return fromUtf8(out)
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^([0-7]{6}) (?:blob|commit) ([0-9a-f]{40,64}) +([0-9]+|-)\t(.+)$/s.exec(line);
      const [, mode = '', object = '', size = '', path = ''] = match ?? [];
      if (match === null)
        throw new Fault('integrity', 'pipeline.bad_tree', 'expected a tree, got a line that is none');
      return { mode, object, sizeBytes: size === '-' ? 0 : Number(size), path: checkTreePath(path) };
    });
}

/** `cat-file --batch` writes `<object> <type> <size>\n<bytes>\n` for each line it reads. */
function splitBatch(out: Uint8Array, wanted: readonly TreeEntry[]): Map<string, Uint8Array> {
  const bodies = new Map<string, Uint8Array>();
  let at = 0;
  for (const { object, sizeBytes } of wanted) {
    const head = `${object} blob ${sizeBytes}\n`;
    const start = at + head.length;
    if (fromBytes(out.subarray(at, start)) !== head) {
      throw new Fault('integrity', 'pipeline.bad_tree', `expected blob ${object}, got something else`);
    }
    bodies.set(object, out.subarray(start, start + sizeBytes));
    at = start + sizeBytes + 1;
  }
  return bodies;
}

function toTar(
  entries: readonly TreeEntry[],
  bodies: ReadonlyMap<string, Uint8Array>,
  mtimeSeconds: number,
): Uint8Array {
  const members = entries.map(({ mode, object, path }): TarEntry => {
    const body = bodies.get(object) ?? new Uint8Array();
    if (mode === '120000')
      return { type: 'symlink', path, mode: 0o777, mtimeSeconds, linkTarget: fromUtf8(body) };
    // A submodule is another repository: its place stays empty, as in a clone that does not follow it.
    if (mode === gitlink) return { type: 'directory', path, mode: 0o755, mtimeSeconds };
    return { type: 'file', path, mode: mode === '100755' ? 0o755 : 0o644, mtimeSeconds, body };
  });
  return writeTar(members);
}

const fromBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

function failed(what: string, output: GitOutput): Fault {
  return new Fault('internal', 'pipeline.git_failed', `git could not ${what}`, {
    details: { status: output.status, said: lastLine(output.stderr) },
  });
}

function fetchFailed(output: GitOutput): Fault {
  const said = lastLine(output.stderr);
  const hint = /dubious ownership/.test(output.stderr)
    ? 'the repository belongs to another user: give the server a copy of its own, or a URL'
    : 'check that the repository exists and that the server may read it';
  return new Fault('unavailable', 'pipeline.fetch_failed', 'the repository could not be fetched', {
    hint,
    details: { status: output.status, said },
  });
}

const lastLine = (stderr: string): string => {
  const lines = stderr.trim().split('\n');
  const line = lines.find((each) => each.startsWith('fatal:')) ?? lines.at(-1) ?? '';
  return line.replace(/\p{Cc}/gu, ' ').slice(0, 300);
};
