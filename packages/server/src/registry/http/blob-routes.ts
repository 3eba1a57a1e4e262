import { isFault } from '@sallyport/formats';
import type { Actor, Authorize } from '#platform';
import { type ContentDigest, checkDigest } from '../content-digest.ts';
import { checkRepository } from '../names.ts';
import type { Registry } from '../registry.ts';
import type { Call } from './call.ts';
import { parseChunkRange, parseRange } from './range.ts';

/** HEAD and GET of a blob, with one range. */
export async function readBlob(
  registry: Registry,
  repository: string,
  digest: ContentDigest,
  call: Call,
): Promise<void> {
  const blob = await registry.openBlob(repository, digest);
  const range = call.method === 'GET' ? parseRange(call.headers['range'], blob.sizeBytes) : undefined;
  const sizeBytes = range === undefined ? blob.sizeBytes : range.end - range.start + 1;
  call.reply.status(range === undefined ? 200 : 206).headers({
    'content-type': 'application/octet-stream',
    'content-length': String(sizeBytes),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    ...(range === undefined
      ? {}
      : { 'content-range': `bytes ${range.start}-${range.end}/${blob.sizeBytes}` }),
  });
  await call.reply.send(call.method === 'HEAD' ? undefined : blob.stream(range?.start, range?.end));
}

/** POST /blobs/uploads/: mount, monolithic upload, or the start of one in parts. */
export async function startUpload(
  registry: Registry,
  authorize: Authorize,
  repository: string,
  call: Call,
): Promise<void> {
  const { actor } = call;
  const { mount, from, digest } = call.query;
  if (mount !== undefined) {
    const wanted = checkDigest(mount);
    // Without `from` any repository will do (OCI distribution 1.1, "Mounting a blob from another repository").
    for (const source of from === undefined ? await registry.repositoriesWith(wanted) : [from])
      if ((await mayRead(authorize, actor, source)) && (await registry.mount(repository, source, wanted)))
        return await created(call, repository, 'blobs', wanted);
  }
  const upload = await registry.startUpload(actor, repository);
  if (digest === undefined || mount !== undefined) return await accepted(call, 202, repository, upload.id, 0);
  const wanted = checkDigest(digest);
  try {
    await registry.append(actor, repository, upload.id, call.body);
    await registry.finishUpload(actor, repository, upload.id, wanted);
  } catch (error) {
    // Nobody was told the id, so nobody can resume it.
    await registry.cancelUpload(actor, repository, upload.id).catch(() => undefined);
    throw error;
  }
  await created(call, repository, 'blobs', wanted);
}

export async function continueUpload(
  registry: Registry,
  repository: string,
  id: string,
  call: Call,
): Promise<void> {
  const { actor } = call;
  const length = call.headers['content-length'];
  const chunk = parseChunkRange(
    call.headers['content-range'],
    length === undefined ? undefined : Number(length),
  );
  switch (call.method) {
    case 'GET': {
      const upload = await registry.getUpload(actor, repository, id);
      return await accepted(call, 204, repository, id, upload.offsetBytes);
    }
    case 'PATCH': {
      const upload = await registry.append(actor, repository, id, call.body, chunk?.start);
      return await accepted(call, 202, repository, id, upload.offsetBytes);
    }
    case 'PUT': {
      const digest = checkDigest(call.query['digest'] ?? '');
      await registry.append(actor, repository, id, call.body, chunk?.start);
      await registry.finishUpload(actor, repository, id, digest);
      return await created(call, repository, 'blobs', digest);
    }
    case 'DELETE':
      await registry.cancelUpload(actor, repository, id);
      return await call.reply.status(204).send();
    default:
      throw call.notAllowed();
  }
}

/** A repository the caller may not read must look exactly like one without the blob: the client then uploads. */
async function mayRead(authorize: Authorize, actor: Actor, from: string): Promise<boolean> {
  try {
    await authorize(actor, 'read', `registry/${checkRepository(from)}`);
    return true;
  } catch (error) {
    if (isFault(error) && ['denied', 'invalid', 'unauthenticated'].includes(error.kind)) return false;
    throw error;
  }
}

async function accepted(
  call: Call,
  status: number,
  repository: string,
  id: string,
  offset: number,
): Promise<void> {
  await call.reply
    .status(status)
    .headers({
      location: `/v2/${repository}/blobs/uploads/${id}`,
      // The protocol cannot say "nothing yet": every registry answers 0-0 then.
      range: `0-${Math.max(0, offset - 1)}`,
      'docker-upload-uuid': id,
      ...(status === 204 ? {} : { 'content-length': '0' }),
    })
    .send();
}

export async function created(
  call: Call,
  repository: string,
  what: 'blobs' | 'manifests',
  digest: ContentDigest,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  await call.reply
    .status(201)
    .headers({
      location: `/v2/${repository}/${what}/${digest}`,
      'docker-content-digest': digest,
      'content-length': '0',
      ...more,
    })
    .send();
}
