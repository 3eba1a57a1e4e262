import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { digestOf as digestOfBytes, exportLayout, Fault } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect, digestOf, placeFlags, projectOf, short } from '../../connect.ts';

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
    const { transport } = client;
    const digest = await digestOf(invocation, client, invocation.arg(0));
    const directory = invocation.arg(1);
    const project = projectOf(invocation);
    const repository = `${project}/${invocation.flag('service') ?? (await serviceOf())}`;
    const done = invocation.out.progress(`exporting ${short(digest)}`);
    const manifest = await transport.raw('GET', `/v2/${repository}/manifests/${digest}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const bytes = new Uint8Array(await manifest.arrayBuffer());
    if (digestOfBytes(bytes) !== digest) {
      throw new Fault(
        'integrity',
        'cli.wrong_manifest',
        `expected the manifest ${digest}, got ${digestOfBytes(bytes)}`,
      );
    }
    const evidence = await client.evidence.list(digest);
    const { files, blobs } = exportLayout(
      bytes,
      evidence.map((each) => each.bundle),
    );
    for (const { path, bytes: content } of files) await write(join(directory, path), content);
    for (const { path, digest: blob } of blobs) {
      const response = await transport.raw('GET', `/v2/${repository}/blobs/${blob}`, { timeoutMs: 3600_000 });
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await pipeline(response.body ?? ReadableStream.from([]), createWriteStream(join(directory, path)));
    }
    done();
    invocation.out.data({ directory, digest, evidence: evidence.length }, () => `wrote ${directory}`);
    invocation.out.note(`sally verify ${directory} --trust-root FILE checks it, with no server`);
    return undefined;

    async function serviceOf(): Promise<string> {
      const found = new Set((await client.releases.status(project)).map((each) => each.service));
      const [only, second] = [...found];
      if (only !== undefined && second === undefined) return only;
      throw new Fault(
        'invalid',
        'cli.service',
        `expected --service, as ${project} has ${found.size} services`,
      );
    }
  },
};

async function write(file: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
