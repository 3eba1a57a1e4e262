import {
  type Digest,
  Fault,
  fromUtf8,
  isFault,
  parseDigest,
  parseStrictJson,
  utf8,
} from '@sallyport/formats';
import { manifestTypes, type Remote, type RemoteManifest } from './remote.ts';

interface Copied {
  readonly digest: Digest;
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that the destination had already. */
  readonly skipped: number;
  /** Digests of what refers to the artifact, directly or through one another. */
  readonly evidence: readonly Digest[];
  /** How the destination will be asked for evidence. */
  readonly found: 'referrers' | 'fallback tag' | 'none';
}

interface Entry {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [more: string]: unknown;
}

/** A signature on a signature on an image is as deep as evidence goes; what goes deeper is a trap. */
const maxDepth = 5;
const maxManifests = 10_000;
const maxPages = 100;
const attempts = 3;
const indexType = 'application/vnd.oci.image.index.v1+json';
/** Names of cosign's older attachments, which are tags and no referrers. */
const legacySuffixes = ['.sig', '.att', '.sbom'];

/**
 * Copies `root` with everything that refers to it, blobs first and what names them last, so that a copy that breaks off
 * leaves nothing incomplete under a name, and a second one goes on where the first ended. Every byte is checked against
 * its digest on the way.
 *
 * KNOWN LIMIT: content named by SHA-512 is refused; evidence and agents go by SHA-256.
 */
export async function copyArtifact(
  from: Remote,
  to: Remote,
  root: RemoteManifest,
  options: { readonly evidence: boolean },
): Promise<Copied> {
  const seen = new Map<Digest, 'copying' | 'done'>();
  const blobs = new Set<Digest>();
  const evidence: Digest[] = [];
  let bytes = 0;
  let skipped = 0;
  let found: Copied['found'] = 'none';

  async function copyBlob({ digest, size }: Entry): Promise<void> {
    if (blobs.has(digest)) return;
    blobs.add(digest);
    if (await to.hasBlob(digest)) {
      skipped += 1;
      return;
    }
    const mounted = from.host === to.host && from.repository !== to.repository;
    if (!(mounted && (await to.mount(digest, from.repository))))
      await patiently(async () => to.pushBlob(digest, size, await from.blob(digest, size)));
    bytes += size;
  }

  async function copyManifest(manifest: RemoteManifest, depth: number): Promise<void> {
    if (seen.has(manifest.digest)) return;
    if (depth > maxDepth || seen.size >= maxManifests)
      throw new Fault(
        'invalid',
        'cli.too_deep',
        `expected at most ${maxManifests} manifests, ${maxDepth} deep, below ${root.digest}`,
      );
    seen.set(manifest.digest, 'copying');
    const document = readObject(manifest.bytes);
    for (const child of entriesOf(document['manifests']))
      await copyManifest(await fetched(child.digest), depth + 1);
    const layers = entriesOf(document['layers']);
    const config = document['config'] === undefined ? [] : entriesOf([document['config']]);
    for (const blob of [...config, ...layers])
      if (!/nondistributable|foreign/.test(blob.mediaType)) await copyBlob(blob);
    await patiently(() => to.pushManifest(manifest.digest, manifest));
    seen.set(manifest.digest, 'done');
    if (options.evidence) await copyEvidence(manifest.digest, depth);
  }

  async function fetched(digest: Digest): Promise<RemoteManifest> {
    const manifest = await from.manifest(digest);
    if (manifest !== undefined) return manifest;
    throw new Fault('not_found', 'cli.manifest', `expected ${digest} at ${from.host}, found nothing`);
  }

  async function copyEvidence(subject: Digest, depth: number): Promise<void> {
    const entries = await evidenceOf(from, subject);
    for (const entry of entries) {
      if (!seen.has(entry.digest)) evidence.push(entry.digest);
      await copyManifest(await fetched(entry.digest), depth + 1);
    }
    if (entries.length > 0) found = await findable(to, subject, entries);
    for (const suffix of legacySuffixes) {
      const tag = `${fallbackTag(subject)}${suffix}`;
      const old = await from.manifest(tag);
      if (old === undefined) continue;
      await copyManifest(old, depth + 1);
      await to.pushManifest(tag, old);
      evidence.push(old.digest);
    }
  }

  await copyManifest(root, 0);
  return { digest: root.digest, manifests: seen.size, blobs: blobs.size, bytes, skipped, evidence, found };
}

/** What refers to `subject`: by the API, and by the fallback tag, which registries without it and older clients use. */
async function evidenceOf(from: Remote, subject: Digest): Promise<readonly Entry[]> {
  const found = new Map<Digest, Entry>();
  let page = await from.referrers(subject);
  for (let pages = 0; page !== undefined; pages += 1) {
    if (pages >= maxPages)
      throw new Fault('invalid', 'cli.registry', `expected at most ${maxPages} pages of referrers`);
    for (const entry of entriesOf(readObject(page.index)['manifests'])) found.set(entry.digest, entry);
    page = page.next === undefined ? undefined : await from.referrers(subject, page.next);
  }
  const tagged = await from.manifest(fallbackTag(subject));
  if (tagged?.mediaType === indexType)
    for (const entry of entriesOf(readObject(tagged.bytes)['manifests']))
      if (!found.has(entry.digest)) found.set(entry.digest, entry);
  // Nothing can name its own digest: a list that says so is wrong.
  found.delete(subject);
  return [...found.values()];
}

/**
 * Makes the evidence findable at the destination. Whether it has the API is asked with the API: one (ECR) answers a push
 * with `OCI-Subject` and lists nothing, another (GHCR) has no API at all. Both get the tag that the specification has
 * for such registries, with what was listed there before.
 */
async function findable(
  to: Remote,
  subject: Digest,
  entries: readonly Entry[],
): Promise<'referrers' | 'fallback tag'> {
  const listed = new Set<Digest>();
  let page = await to.referrers(subject);
  for (let pages = 0; page !== undefined && pages < maxPages; pages += 1) {
    for (const entry of entriesOf(readObject(page.index)['manifests'])) listed.add(entry.digest);
    page = page.next === undefined ? undefined : await to.referrers(subject, page.next);
  }
  if (entries.every((entry) => listed.has(entry.digest))) return 'referrers';
  const tag = fallbackTag(subject);
  const there = await to.manifest(tag);
  if (there !== undefined && there.mediaType !== indexType)
    throw new Fault(
      'conflict',
      'cli.fallback_tag',
      `expected an index at the tag ${tag}, found ${there.mediaType}`,
    );
  const before = there === undefined ? [] : entriesOf(readObject(there.bytes)['manifests']);
  const added = entries.filter((entry) => !before.some((old) => old.digest === entry.digest));
  if (added.length > 0) {
    const index = { schemaVersion: 2, mediaType: indexType, manifests: [...before, ...added] };
    await to.pushManifest(tag, { bytes: utf8(JSON.stringify(index)), mediaType: indexType });
  }
  return 'fallback tag';
}

/** OCI distribution 1.1, "Referrers Tag Schema". */
function fallbackTag(subject: Digest): string {
  return subject.replace(':', '-');
}

async function patiently(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      // A refusal stays one; a line that broke or a busy server may be better the next time.
      const final = isFault(error) && error.kind !== 'unavailable';
      if (final || attempt >= attempts) throw error;
    }
  }
}

function readObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const value = parseStrictJson(fromUtf8(bytes), { maxBytes: 4 * 1024 * 1024, maxDepth: 20 });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Fault('invalid', 'cli.manifest', 'expected a manifest to be a JSON object');
}

function entriesOf(value: unknown): readonly Entry[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > maxManifests)
    throw new Fault('invalid', 'cli.manifest', `expected a list of at most ${maxManifests} descriptors`);
  return value.map((each: unknown): Entry => {
    const fields: Readonly<Record<string, unknown>> =
      typeof each === 'object' && each !== null ? { ...each } : {};
    const { mediaType, digest, size, ...more } = fields;
    if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof size !== 'number' || size < 0)
      throw new Fault('invalid', 'cli.manifest', 'expected a descriptor with mediaType, digest and size');
    return { ...more, mediaType, digest: parseDigest(digest), size };
  });
}

/** Whether this is a manifest we know how to read. */
export function isManifestType(mediaType: string): boolean {
  return manifestTypes.includes(mediaType);
}
