import { createWriteStream, existsSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { digestOf as digestOfBytes, exportLayout, Fault, mediaTypes } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';
import type { Command } from '../../command.ts';
import { connect, digestOf, placeFlags, projectOf, short } from '../../connect.ts';

/** Beside the layout, as it is about no image: what was withdrawn when the export was made. */
export const revocationsFile = 'revocations.json';

export const evidenceExport: Command = {
  name: ['evidence', 'export'],
  summary: 'write an image with all its evidence as an OCI layout that sally verify checks offline',
  args: [
    { name: 'DIGEST', doc: 'sha256:… or the first six or more of its digits' },
    { name: 'DIR', doc: 'a new directory' },
  ],
  flags: placeFlags,
  examples: [
    'sally evidence export 4f8a12c9 ./release',
    'skopeo inspect oci:./release   # any OCI tool reads it',
  ],
  run: async (invocation) => {
    const client = connect(invocation);
    const digest = await digestOf(invocation, client, invocation.arg(0));
    const directory = resolve(invocation.arg(1));
    if (existsSync(directory)) {
      throw new Fault('conflict', 'cli.already_there', `expected a new directory, ${directory} exists`);
    }
    const project = projectOf(invocation);
    const service = invocation.flag('service') ?? (await onlyService(client, project));
    // Named in full only when everything is in it, so that half an export is never taken for one.
    const draft = `${directory}.partial`;
    await rm(draft, { recursive: true, force: true });
    invocation.whenInterrupted(() => rmSync(draft, { recursive: true, force: true }));
    const done = invocation.out.progress(`exporting ${short(digest)}`);
    try {
      const evidence = await writeLayout(client, `${project}/${service}`, digest, draft);
      await rename(draft, directory);
      done();
      invocation.out.data({ directory, digest, evidence }, () => `wrote ${directory}`);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    } finally {
      done();
    }
    invocation.out.note(`sally verify ${invocation.arg(1)} --trust-root FILE checks it, with no server`);
    return undefined;
  },
};

async function onlyService(client: Client, project: string): Promise<string> {
  const found = new Set((await client.releases.status(project)).map((each) => each.service));
  const [only, second] = [...found];
  if (only !== undefined && second === undefined) return only;
  throw new Fault('invalid', 'cli.service', `expected --service, as ${project} has ${found.size} services`);
}

/** The image, its blobs and its evidence; gives the number of bundles. */
async function writeLayout(
  { evidence, revocations, transport }: Client,
  repository: string,
  digest: string,
  directory: string,
): Promise<number> {
  const manifest = await transport.raw('GET', `/v2/${repository}/manifests/${digest}`, {
    headers: { accept: mediaTypes.ociManifest },
  });
  const bytes = new Uint8Array(await manifest.arrayBuffer());
  if (digestOfBytes(bytes) !== digest) {
    throw new Fault(
      'integrity',
      'cli.wrong_manifest',
      `expected the manifest ${digest}, got ${digestOfBytes(bytes)}`,
    );
  }
  const bundles = (await evidence.list(digest)).map((each) => each.bundle);
  const { bundle: revocationList } = await revocations.list();
  const { files, blobs } = exportLayout(bytes, bundles);
  for (const { path, bytes: content } of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  await writeFile(join(directory, revocationsFile), revocationList);
  for (const { path, digest: blob } of blobs) {
    const response = await transport.raw('GET', `/v2/${repository}/blobs/${blob}`, { timeoutMs: 3600_000 });
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await pipeline(response.body ?? ReadableStream.from([]), createWriteStream(join(directory, path)));
  }
  return bundles.length;
}
