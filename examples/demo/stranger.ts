import { digestOf, mediaTypes, parseImageManifest, utf8 } from '@sallyport/formats';
import type { Transport } from '@sallyport/sdk';

/**
 * Pushes an image that looks like the real one but was built by nobody we know: same layers, another config. Any OCI
 * client could do this; having the right to push is not having the right to ship.
 */
export async function pushUnknownImage(
  transport: Transport,
  repository: string,
  like: string,
): Promise<string> {
  const known = await transport.raw('GET', `/v2/${repository}/manifests/${like}`, {
    headers: { accept: mediaTypes.ociManifest },
  });
  const manifest = parseImageManifest(new Uint8Array(await known.arrayBuffer()));
  const blob = await transport.raw('GET', `/v2/${repository}/blobs/${manifest.config.digest}`);
  const config = utf8(`${await blob.text()} `);
  const started = await transport.raw('POST', `/v2/${repository}/blobs/uploads/`);
  const place = new URL(started.headers.get('location') ?? '', transport.address);
  place.searchParams.set('digest', digestOf(config));
  await transport.raw('PUT', place.pathname + place.search, { bytes: Uint8Array.from(config) });
  const forged = utf8(
    JSON.stringify({
      ...manifest,
      config: { ...manifest.config, digest: digestOf(config), size: config.length },
    }),
  );
  const digest = digestOf(forged);
  await transport.raw('PUT', `/v2/${repository}/manifests/${digest}`, {
    headers: { 'content-type': mediaTypes.ociManifest },
    bytes: Uint8Array.from(forged),
  });
  return digest;
}
