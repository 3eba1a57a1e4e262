import { digestOf, exportLayout, type ReadFile } from '@sallyport/formats';
import type { Client } from '@sallyport/sdk';

/** An evidence export in memory, as `sally evidence export` writes it to disk. */
export async function exportOf(
  client: Client,
  repository: string,
  digest: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const get = async (what: string): Promise<Uint8Array> => {
    const answer = await client.transport.raw('GET', `/v2/${repository}/${what}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    return new Uint8Array(await answer.arrayBuffer());
  };
  const manifest = await get(`manifests/${digest}`);
  if (digestOf(manifest) !== digest) throw new Error('expected the manifest of the digest');
  const evidence = await client.evidence.list(digest);
  const { files, blobs } = exportLayout(
    manifest,
    evidence.map((each) => each.bundle),
  );
  const all = new Map(files.map(({ path, bytes }) => [path, bytes]));
  for (const blob of blobs) all.set(blob.path, await get(`blobs/${blob.digest}`));
  return all;
}

export const readFrom =
  (files: ReadonlyMap<string, Uint8Array>): ReadFile =>
  (path) => {
    const bytes = files.get(path);
    if (bytes === undefined) throw new Error(`no ${path} in the export`);
    return bytes;
  };
