import { Fault, utf8 } from '@sallyport/formats';
import { type ContentDigest, checkDigest } from '../content-digest.ts';
import { maxManifestBytes } from '../manifests/manifest.ts';
import { referrersIndex } from '../manifests/manifests.ts';
import type { Registry } from '../registry.ts';
import { created } from './blob-routes.ts';
import type { Call } from './call.ts';

export async function manifest(
  registry: Registry,
  repository: string,
  reference: string,
  call: Call,
): Promise<void> {
  switch (call.method) {
    case 'GET':
    case 'HEAD': {
      const found = await registry.getManifest(repository, reference);
      call.reply.status(200).headers({
        'content-type': found.mediaType,
        'content-length': String(found.content.length),
        'docker-content-digest': found.digest,
        etag: `"${found.digest}"`,
      });
      return await call.reply.send(call.method === 'HEAD' ? undefined : found.content);
    }
    case 'PUT': {
      const bytes = await collect(call.body);
      const mediaType = call.headers['content-type'] ?? '';
      const { actor, tags } = call;
      const put = await registry.putManifest(repository, bytes, mediaType, reference, actor, tags);
      return await created(call, repository, 'manifests', put.digest, {
        ...(put.subject === undefined ? {} : { 'oci-subject': put.subject }),
        ...(tags.length === 0 ? {} : { 'oci-tag': tags.join(', ') }),
      });
    }
    case 'DELETE':
      await registry.deleteManifest(call.actor, repository, reference);
      return await call.reply.status(202).headers({ 'content-length': '0' }).send();
    default:
      throw call.notAllowed();
  }
}

const maxPage = 1000;
/** Each may bring its annotations along: with `maxReferrerAnnotations` a page has at most 6 MiB. */
const maxReferrersPage = 100;

export async function tags(registry: Registry, repository: string, call: Call): Promise<void> {
  const limit = pageSize(call.query['n']);
  // One more than asked for tells whether there is another page. `n=0` asks for none and gets none.
  const found = await registry.listTags(repository, { after: call.query['last'] ?? '', limit: limit + 1 });
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const more = found.length > limit && last !== undefined;
  await call.reply
    .status(200)
    .headers({
      'content-type': 'application/json',
      ...(more ? { link: `</v2/${repository}/tags/list?n=${limit}&last=${last}>; rel="next"` } : {}),
    })
    .send(JSON.stringify({ name: repository, tags: page }));
}

export async function referrers(
  registry: Registry,
  repository: string,
  subject: ContentDigest,
  call: Call,
): Promise<void> {
  const artifactType = call.query['artifactType'];
  const after = call.query['last'];
  const found = await registry.referrers(repository, subject, {
    limit: maxReferrersPage + 1,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(after === undefined ? {} : { after: checkDigest(after) }),
  });
  const page = found.slice(0, maxReferrersPage);
  const last = found.length > maxReferrersPage ? page.at(-1) : undefined;
  const query = `${artifactType === undefined ? '' : `artifactType=${encodeURIComponent(artifactType)}&`}last=`;
  await call.reply
    .status(200)
    .headers({
      'content-type': 'application/vnd.oci.image.index.v1+json',
      ...(artifactType === undefined ? {} : { 'oci-filters-applied': 'artifactType' }),
      ...(last === undefined
        ? {}
        : { link: `</v2/${repository}/referrers/${subject}?${query}${last.digest}>; rel="next"` }),
    })
    // As bytes: a text would get a charset, and clients compare the media type whole.
    .send(utf8(JSON.stringify(referrersIndex(page))));
}

function pageSize(text: string | undefined): number {
  if (text === undefined) return maxPage;
  if (!/^\d{1,9}$/.test(text))
    throw new Fault('invalid', 'registry.query_invalid', 'expected "n" to be a number');
  return Math.min(Number(text), maxPage);
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxManifestBytes)
      throw new Fault(
        'invalid',
        'registry.size_invalid',
        `expected a manifest of at most ${maxManifestBytes} bytes`,
      );
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
