import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromUtf8, utf8 } from '../bytes/bytes.ts';
import { isFault } from '../fault.ts';
import { readTar, type TarLimits } from './read.ts';
import { streamTar, type TarEntry, writeTar } from './write.ts';

const file = (path: string, text = 'content'): TarEntry => ({
  type: 'file',
  path,
  mode: 0o644,
  mtimeSeconds: 1_700_000_000,
  body: utf8(text),
});
const link = (path: string, linkTarget: string, type: 'symlink' | 'hardlink' = 'symlink'): TarEntry => ({
  type,
  path,
  mode: 0o777,
  mtimeSeconds: 0,
  linkTarget,
});
const directory = (path: string): TarEntry => ({ type: 'directory', path, mode: 0o755, mtimeSeconds: 0 });

async function readAll(source: AsyncIterable<Uint8Array> | Uint8Array, limits: Partial<TarLimits> = {}) {
  const entries: TarEntry[] = [];
  for await (const entry of readTar(source, limits)) {
    const { path, mode, mtimeSeconds, type, linkTarget } = entry;
    if (type === 'file') entries.push({ type, path, mode, mtimeSeconds, body: await entry.bytes() });
    else if (type === 'directory') entries.push({ type, path, mode, mtimeSeconds });
    else entries.push({ type, path, mode, mtimeSeconds, linkTarget: linkTarget ?? '' });
  }
  return entries;
}

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function codeOf(source: Uint8Array, limits: Partial<TarLimits> = {}): Promise<string> {
  try {
    await readAll(source, limits);
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

/** One header with any content, checksum right, so that the reader's other checks are met. */
function header(fields: {
  name?: string;
  type?: string;
  size?: string;
  link?: string;
  magic?: string;
  prefix?: string;
}) {
  const block = new Uint8Array(512);
  const put = (offset: number, text: string) => block.set(utf8(text), offset);
  put(0, fields.name ?? 'a');
  put(100, '0000644\0');
  put(108, '0000000\0');
  put(116, '0000000\0');
  put(124, fields.size ?? '00000000000\0');
  put(136, '00000000000\0');
  put(148, '        ');
  put(156, fields.type ?? '0');
  put(157, fields.link ?? '');
  put(257, fields.magic ?? 'ustar\u000000');
  put(345, fields.prefix ?? '');
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

const end = new Uint8Array(1024);
const padded = (text: string) => {
  const bytes = utf8(text);
  return concatBytes(bytes, new Uint8Array((512 - (bytes.length % 512)) % 512));
};
const octal = (size: number) => `${size.toString(8).padStart(11, '0')}\0`;
const extended = (type: string, text: string) =>
  concatBytes(header({ type, size: octal(utf8(text).length) }), padded(text));

const segment = fc.stringMatching(/^[a-zA-Z0-9 _äöü.-]{1,60}$/).filter((s) => s !== '.' && s !== '..');
const paths = fc
  .uniqueArray(
    fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
    { maxLength: 12 },
  )
  .map((all) => all.filter((path) => !all.some((other) => other !== path && other.startsWith(`${path}/`))));

describe('writeTar and readTar', () => {
  it('give back the entries, sorted, whatever the size of the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(paths, fc.integer({ min: 1, max: 2000 }), async (list, size) => {
        const entries = list.map((path, i) => file(path, 'x'.repeat(i * 300)));
        const bytes = writeTar(entries);

        const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
        expect(await readAll(inPieces(bytes, size))).toEqual(sorted);
        expect(writeTar([...entries].reverse())).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  it('keep links, directories, long and non-ASCII paths', async () => {
    const deep = `${'d'.repeat(90)}/${'ü'.repeat(60)}`;
    const entries = [
      directory('bin'),
      file('bin/sh'),
      link('bin/bash', 'sh'),
      file(deep),
      link('far', deep),
      link('hard', 'bin/sh', 'hardlink'),
    ];

    const read = await readAll(writeTar(entries));

    expect(new Map(read.map((entry) => [entry.path, entry]))).toEqual(
      new Map(entries.map((entry) => [entry.path, entry])),
    );
  });

  it('write the same bytes from a stream', async () => {
    const body = utf8('streamed '.repeat(200));
    const parts: Uint8Array[] = [];

    const streamed = {
      type: 'file',
      path: 'a',
      mode: 0o644,
      mtimeSeconds: 0,
      sizeBytes: body.length,
    } as const;
    for await (const part of streamTar([file('b'), { ...streamed, open: () => inPieces(body, 7) }]))
      parts.push(part);

    expect(concatBytes(...parts)).toEqual(
      writeTar([file('b'), { ...file('a'), mtimeSeconds: 0, body } as TarEntry]),
    );
    await expect(async () => {
      for await (const _ of streamTar([{ ...streamed, sizeBytes: 3, open: () => inPieces(body, 7) }])) {
        // read to its end
      }
    }).rejects.toThrow(/3 bytes of body/);
  });

  it('are understood by GNU tar, and understand it', async () => {
    const root = mkdtempSync(join(tmpdir(), 'formats-tar-'));
    try {
      const long = `${'p'.repeat(80)}/${'q'.repeat(80)}.txt`;
      writeFileSync(
        join(root, 'ours.tar'),
        writeTar([file('plain.txt', 'one'), file(long, 'two'), link('l', 'plain.txt')]),
      );
      execFileSync('tar', ['-xf', 'ours.tar'], { cwd: root });
      expect(readFileSync(join(root, long), 'utf8')).toBe('two');
      expect(readFileSync(join(root, 'l'), 'utf8')).toBe('one');
      expect(statSync(join(root, 'plain.txt')).mtimeMs).toBe(1_700_000_000_000);

      for (const format of ['ustar', 'gnu', 'posix']) {
        execFileSync('tar', [`--format=${format}`, '-cf', 'theirs.tar', 'plain.txt', 'l', 'p'.repeat(80)], {
          cwd: root,
        });
        const entries = await readAll(readFileSync(join(root, 'theirs.tar')));
        const found = entries.find((entry) => entry.path === long);
        expect(found?.type === 'file' && fromUtf8(found.body)).toBe('two');
        expect(entries.find((entry) => entry.path === 'l')).toMatchObject({
          type: 'symlink',
          linkTarget: 'plain.txt',
        });
      }
      expect(readdirSync(root)).toContain('theirs.tar');
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('pass over bodies that nobody reads', async () => {
    const seen: string[] = [];
    for await (const entry of readTar(writeTar([file('a', 'x'.repeat(5000)), file('b')]))) {
      seen.push(entry.path);
      for await (const _ of entry.body) break;
    }

    expect(seen).toEqual(['a', 'b']);
  });
});

describe('readTar', () => {
  const raw = (...blocks: Uint8Array[]) => concatBytes(...blocks, end);

  it.each([
    ['an absolute path', raw(header({ name: '/etc/passwd' }))],
    ['a path that climbs', raw(header({ name: '../x' }))],
    ['a path that climbs in the middle', raw(header({ name: 'a/../../x' }))],
    ['a prefix that climbs', raw(header({ name: 'x', prefix: '..' }))],
    ['an empty path', raw(header({ name: '' }))],
    ['an empty segment', raw(header({ name: 'a//b' }))],
    ['a control character', raw(header({ name: 'a\nb' }))],
    ['a file with a slash at the end', raw(header({ name: 'a/' }))],
    ['the same path twice', raw(header({ name: 'a' }), header({ name: 'a' }))],
    ['the same path twice, once with "./"', raw(header({ name: 'a' }), header({ name: './a' }))],
    ['a directory twice', raw(header({ name: 'd/', type: '5' }), header({ name: 'd/', type: '5' }))],
    ['a file below a file', raw(header({ name: 'a' }), header({ name: 'a/b' }))],
    ['a file below a link', raw(header({ name: 'a', type: '2', link: '.' }), header({ name: 'a/b' }))],
    [
      'a link where a directory was',
      raw(header({ name: 'a/b' }), header({ name: 'a', type: '2', link: 'x' })),
    ],
    ['an absolute symbolic link', raw(header({ name: 'a', type: '2', link: '/etc' }))],
    ['a symbolic link that climbs out', raw(header({ name: 'd/a', type: '2', link: '../../x' }))],
    ['a symbolic link that climbs behind a name', raw(header({ name: 'd/a', type: '2', link: 'l/../../x' }))],
    ['an empty symbolic link', raw(header({ name: 'a', type: '2' }))],
    ['a hard link to nothing', raw(header({ name: 'a', type: '1', link: 'b' }))],
    ['a hard link outside', raw(header({ name: 'a', type: '1', link: '../b' }))],
    [
      'a hard link to a symbolic link',
      raw(header({ name: 'b', type: '2', link: 'c' }), header({ name: 'a', type: '1', link: 'b' })),
    ],
    ['a pax path that climbs', raw(extended('x', '13 path=../x\n'), header({}))],
    ['a GNU long name that climbs', raw(extended('L', '../x\0'), header({}))],
  ])('refuses %s', async (_, bytes) => {
    expect(await codeOf(bytes)).toBe('formats.tar_path');
  });

  it.each([
    ['a character device', header({ type: '3' })],
    ['a block device', header({ type: '4' })],
    ['a fifo', header({ type: '6' })],
    ['a contiguous file', header({ type: '7' })],
    ['a GNU sparse file', header({ type: 'S' })],
    ['an unknown type', header({ type: '!' })],
    [
      'a directory with content',
      concatBytes(header({ name: 'd/', type: '5', size: octal(4) }), padded('data')),
    ],
    ['a global path', concatBytes(extended('g', '10 path=x\n'), header({}))],
    [
      'two pax headers for one entry',
      concatBytes(extended('x', '10 path=x\n'), extended('x', '10 path=y\n'), header({})),
    ],
    ['a pax header for nothing', extended('x', '10 path=x\n')],
    ['a long name with a zero byte inside', concatBytes(extended('L', 'a\0b'), header({}))],
  ])('refuses %s', async (_, blocks) => {
    expect(await codeOf(concatBytes(blocks, end))).toBe('formats.tar');
  });

  it.each([
    [
      'a wrong checksum',
      (() => {
        const b = header({});
        b[0] = 0x62;
        return b;
      })(),
    ],
    ['no magic', header({ magic: '\0\0\0\0\0\0\0\0' })],
    ['a size that is no number', header({ size: '0000000000x\0' })],
    ['a negative size', header({ size: '-0000000001\0' })],
    ['a pax length that lies', concatBytes(extended('x', '99 path=x\n'), header({}))],
    ['a pax length of zero', concatBytes(extended('x', '0 path=x\n'), header({}))],
    ['a pax record without newline', concatBytes(extended('x', '9 path=xx'), header({}))],
    ['a pax record without "="', concatBytes(extended('x', '7 path\n'), header({}))],
    ['a pax key twice', concatBytes(extended('x', '10 path=x\n10 path=y\n'), header({}))],
    ['a pax size that is no number', concatBytes(extended('x', '11 size=-1\n'), header({}))],
    ['a sparse file in pax', concatBytes(extended('x', '22 GNU.sparse.major=1\n'), header({}))],
  ])('refuses %s', async (_, blocks) => {
    expect(await codeOf(concatBytes(blocks, end))).toBe('formats.tar_header');
  });

  it('refuses what is cut anywhere, and data behind the end', async () => {
    const bytes = writeTar([file('a', 'x'.repeat(700)), directory('d')]);
    for (let size = 0; size < bytes.length; size += 64) {
      expect(await codeOf(bytes.subarray(0, size))).toBe('formats.tar_truncated');
    }
    expect(await codeOf(bytes)).toBe('accepted');
    expect(await codeOf(concatBytes(bytes, new Uint8Array(9000)))).toBe('accepted');
    expect(await codeOf(concatBytes(bytes, Uint8Array.of(0, 1)))).toBe('formats.tar');
    expect(await codeOf(concatBytes(header({}), new Uint8Array(512), header({ name: 'b' }), end))).toBe(
      'formats.tar',
    );
  });

  it('stops at its limits, before it reads what is over them', async () => {
    const bytes = writeTar([file('a', 'x'.repeat(600)), file('b', 'y'.repeat(600))]);

    expect(await codeOf(bytes, { maxEntries: 1 })).toBe('formats.tar_limit');
    expect(await codeOf(bytes, { maxBytes: 1199 })).toBe('formats.tar_limit');
    expect(await codeOf(bytes, { maxBytes: 1200, maxEntries: 2 })).toBe('accepted');
    expect(await codeOf(writeTar([file('long/path')]), { maxPathBytes: 8 })).toBe('formats.tar_path');
    expect(await codeOf(concatBytes(header({ size: '77777777777\0' })))).toBe('formats.tar_limit');
    expect(await codeOf(concatBytes(header({ type: 'x', size: octal(2 ** 21) })))).toBe('formats.tar_limit');
  });

  it('takes absolute links only where they are looked at from inside', async () => {
    const bytes = concatBytes(header({ name: 'a', type: '2', link: '/usr/bin' }), end);

    expect(await codeOf(bytes, { links: 'rooted' })).toBe('accepted');
    expect(
      await codeOf(concatBytes(header({ name: 'a', type: '2', link: '/../x' }), end), { links: 'rooted' }),
    ).toBe('formats.tar_path');
  });

  it('takes what archives of npm and git begin with', async () => {
    const comment = `52 comment=${'a'.repeat(40)}\n`;
    const bytes = raw(
      extended('g', comment),
      header({ name: './', type: '5' }),
      header({ name: './package/', type: '5' }),
      header({ name: './package/index.js' }),
    );

    expect((await readAll(bytes)).map((entry) => entry.path)).toEqual(['package', 'package/index.js']);
  });

  it('ends in a Fault or an archive for any damage', async () => {
    const bytes = writeTar([file('a/b', 'text'), link('l', 'a/b'), file('ü'.repeat(70))]);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), async (at, value) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = value;

        expect(await codeOf(damaged)).toMatch(/^(accepted|formats\.)/);
      }),
      { numRuns: 500 },
    );
  });
});

describe('writeTar', () => {
  it.each([
    ['/abs', file('/abs')],
    ['..', file('../x')],
    ['a link out', link('a', '../x')],
    ['a hard link to nothing', link('a', 'b', 'hardlink')],
    ['a negative time', { ...file('a'), mtimeSeconds: -1 }],
    ['a fraction of a second', { ...file('a'), mtimeSeconds: 1.5 }],
  ])('refuses %s', (_, entry) => {
    expect(() => writeTar([entry as TarEntry])).toThrow(/expected/);
  });

  it('refuses the same path twice', () => {
    expect(() => writeTar([file('a'), file('a')])).toThrow(/each path once/);
  });
});
