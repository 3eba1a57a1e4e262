import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes, Fault, utf8, verifyTuf } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { readNamed } from '../../input.ts';
import { plainName } from './export.ts';

/** No file of a repository is larger; reading stops before memory is gone. */
const maxFileBytes = 1024 * 1024;

export const trustVerify: Command = {
  name: ['trust', 'verify'],
  summary: 'verify what sally trust export wrote, from the root that was pinned: no server, no network',
  args: [{ name: 'DIR', doc: 'what sally trust export wrote' }],
  flags: {
    root: { type: 'string', value: 'FILE', doc: 'the root.json that was pinned, over a way you trust' },
  },
  examples: ['sally trust verify ./trust --root root.json'],
  run: async (invocation) => {
    const { arg, flag, out } = invocation;
    const directory = arg(0);
    const rootFile = flag('root');
    const pinned =
      rootFile === undefined ? await readInside(directory, 'tuf/1.root.json') : utf8(readNamed(rootFile));
    if (pinned === undefined) {
      throw new Fault('not_found', 'cli.no_root', `expected tuf/1.root.json in ${directory}, found nothing`);
    }
    const verified = await verifyTuf((path) => readInside(directory, join('tuf', path)), pinned, new Date());
    for (const [name, bytes] of verified.targets) {
      // These are what tools are given by hand, so they must be the same as the signed ones.
      const plain = await readInside(directory, plainName(name));
      if (plain !== undefined && equalBytes(plain, bytes)) continue;
      throw new Fault(
        'integrity',
        'cli.trust_differs',
        `expected ${plainName(name)} in ${directory} to be the signed ${name}, got ${plain === undefined ? 'nothing' : 'another'}`,
      );
    }
    out.data(
      {
        verified: true,
        pinned: rootFile !== undefined,
        versions: verified.versions,
        expires: verified.expires,
      },
      () =>
        `verified ${[...verified.targets.keys()].map(plainName).join(', ')}: root version ${verified.versions.root}, current until ${verified.expires}`,
    );
    if (rootFile === undefined) {
      out.warn(
        'the root came with it: it is whole, but only --root FILE shows that it is the one you pinned',
      );
    }
    return undefined;
  },
};

async function readInside(directory: string, path: string): Promise<Uint8Array | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(join(directory, path));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new Fault(
      'integrity',
      'cli.trust_unreadable',
      `expected to read ${path} in ${directory}, could not`,
      {
        cause,
      },
    );
  }
  if (bytes.length <= maxFileBytes) return new Uint8Array(bytes);
  throw new Fault(
    'integrity',
    'cli.trust_too_large',
    `expected at most ${maxFileBytes} bytes of ${path}, got more`,
  );
}
