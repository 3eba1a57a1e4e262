import { existsSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Fault, utf8, verifyTuf } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { open } from '../../connect.ts';
import { readNamed } from '../../input.ts';
import { noRoot } from './roots.ts';
import { tufReader } from './server-trust.ts';

export const trustExport: Command = {
  name: ['trust', 'export'],
  summary: 'write trusted_root.json, signing_config.json and the TUF repository, for use without a network',
  more: ['What is written was verified as a client does, and sally trust verify does it again.'],
  args: [{ name: 'DIR', doc: 'a new directory' }],
  flags: {
    root: {
      type: 'string',
      value: 'FILE',
      doc: 'the root.json that was pinned; default the first of the server',
    },
  },
  examples: ['sally trust export ./trust', 'cosign verify-blob --trusted-root ./trust/trusted_root.json …'],
  run: async (invocation) => {
    const directory = resolve(invocation.arg(0));
    if (existsSync(directory)) {
      throw new Fault('conflict', 'cli.already_there', `expected a new directory, ${directory} exists`);
    }
    const client = open(invocation);
    const read = tufReader(client);
    const rootFile = invocation.flag('root');
    const first = await read('1.root.json');
    if (first === undefined) throw noRoot();
    const files = new Map<string, Uint8Array>([['1.root.json', first]]);
    const pinned = rootFile === undefined ? first : utf8(readNamed(rootFile));
    const verified = await verifyTuf(
      async (path) => {
        const bytes = await read(path);
        if (bytes !== undefined) files.set(path, bytes);
        return bytes;
      },
      pinned,
      new Date(),
    );
    // Roots before the pinned one, so that a client which pinned the first can begin too.
    for (let version = 2; version < verified.versions.root; version++) {
      const path = `${version}.root.json`;
      const bytes = files.get(path) ?? (await read(path));
      if (bytes !== undefined) files.set(path, bytes);
    }
    const draft = `${directory}.partial`;
    await rm(draft, { recursive: true, force: true });
    invocation.whenInterrupted(() => rmSync(draft, { recursive: true, force: true }));
    for (const [path, bytes] of files) await write(join(draft, 'tuf', path), bytes);
    for (const [name, bytes] of verified.targets) await write(join(draft, plainName(name)), bytes);
    await rename(draft, directory);
    invocation.out.data(
      { directory, versions: verified.versions, expires: verified.expires },
      () => `wrote ${directory}, current until ${verified.expires}`,
    );
    return undefined;
  },
};

/** The name under which Sigstore's tools are given the document by hand. */
export function plainName(target: string): string {
  return target === 'signing_config.v0.2.json' ? 'signing_config.json' : target;
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
