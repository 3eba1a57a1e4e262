import { type Digest, Fault, isFault } from '@sallyport/formats';
import { bodyOf, type Transport } from '@sallyport/sdk';
import type { ImageRegistry } from '../build/index.ts';
import type { ImageSource } from '../deploy/index.ts';

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/** Large layers over a slow line take their time; a line that stands still is ended by the server. */
const transferMs = 30 * 60_000;

/** Our registry as builder and deployer use it (OCI distribution 1.1). Whoever reads verifies the digest. */
export function createRegistryClient(transport: Transport): ImageRegistry & ImageSource {
  const at = (repository: string, rest: string): string =>
    `/v2/${repository.split('/').map(encodeURIComponent).join('/')}/${rest}`;

  async function manifest(repository: string, digest: Digest): Promise<Uint8Array> {
    const response = await transport.raw('GET', at(repository, `manifests/${digest}`), {
      headers: { accept: manifestTypes },
    });
    return new Uint8Array(await response.arrayBuffer());
  }

  async function blob(repository: string, digest: Digest): Promise<AsyncIterable<Uint8Array>> {
    const response = await transport.raw('GET', at(repository, `blobs/${digest}`), { timeoutMs: transferMs });
    return bodyOf(response);
  }

  return {
    manifest,
    blob,
    async hasBlob(repository, digest) {
      try {
        await transport.raw('HEAD', at(repository, `blobs/${digest}`));
        return true;
      } catch (error) {
        if (isFault(error) && error.kind === 'not_found') return false;
        throw error;
      }
    },
    async pushBlob(repository, content) {
      const started = await transport.raw('POST', at(repository, 'blobs/uploads/'));
      const location = started.headers.get('location');
      if (location === null) {
        throw new Fault('internal', 'agent.no_upload', 'expected the place of an upload, got none');
      }
      const place = new URL(location, transport.address);
      place.searchParams.set('digest', content.digest);
      await transport.raw('PUT', place.pathname + place.search, {
        stream: content.open(),
        timeoutMs: transferMs,
      });
    },
    async pushManifest(repository, { digest, mediaType, bytes }) {
      await transport.raw('PUT', at(repository, `manifests/${digest}`), {
        headers: { 'content-type': mediaType },
        bytes: Uint8Array.from(bytes),
      });
    },
  };
}
