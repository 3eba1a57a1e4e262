import { Fault } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { short } from '../../connect.ts';
import { copyArtifact, isManifestType } from './copy-artifact.ts';
import { type Credentials, dockerCredentials } from './credentials.ts';
import { createRemote, parsePlace } from './remote.ts';

export const copy: Command = {
  name: ['copy'],
  summary: 'copy an image with all its evidence from one registry to another',
  more: [
    'SRC and DST are HOST/REPOSITORY:TAG or @DIGEST; DST without a tag gets that of SRC. The digest stays the same.',
    'Evidence is everything that refers to the image (OCI referrers, the tag sha256-DIGEST, and tags of older cosign).',
    'A destination without the referrers API gets the tag that the specification has for it.',
    'What is there already is skipped, so a copy that broke off goes on when it is run again.',
    'Credentials are those of docker login; for the server of sally login its token.',
  ],
  args: [
    { name: 'SRC', doc: 'where it is: registry.example.com/shop/app:v1' },
    { name: 'DST', doc: 'where it goes: ghcr.io/shop/app' },
  ],
  flags: {
    'no-evidence': { type: 'boolean', doc: 'the image alone' },
    'plain-http': { type: 'boolean', doc: 'http for both, not only for this machine' },
  },
  examples: [
    'sally copy localhost:7270/shop/app:v1 ghcr.io/shop/app',
    'sally copy registry.example.com/shop/app@sha256:… localhost:7270/mirror/app:v1',
  ],
  run: async (invocation) => {
    const plain = invocation.on('plain-http');
    const source = parsePlace(invocation.arg(0), plain);
    const target = parsePlace(invocation.arg(1), plain);
    const from = createRemote(source, credentialsFor(invocation, source.origin), fetch);
    const to = createRemote(target, credentialsFor(invocation, target.origin), fetch);
    const done = invocation.out.progress(`copying ${invocation.arg(0)}`);
    try {
      const root = await from.manifest(source.reference);
      if (root === undefined)
        throw new Fault('not_found', 'cli.manifest', `expected an image at ${invocation.arg(0)}, found none`);
      if (!isManifestType(root.mediaType))
        throw new Fault('invalid', 'cli.manifest', `expected an image, got ${root.mediaType.slice(0, 100)}`);
      if (target.reference.includes(':') && target.reference !== root.digest)
        throw new Fault('invalid', 'cli.usage', `expected DST to name a tag or ${root.digest}`);
      const copied = await copyArtifact(from, to, root, { evidence: !invocation.on('no-evidence') });
      const tag = target.tag ?? (target.reference.includes(':') ? undefined : source.tag);
      // Last of all: whoever sees the tag can have everything behind it.
      if (tag !== undefined) await to.pushManifest(tag, root);
      done();
      const name = `${to.host}/${to.repository}${tag === undefined ? '' : `:${tag}`}@${root.digest}`;
      invocation.out.data({ ...copied, image: name }, () =>
        [
          `${name}`,
          `${copied.manifests} manifests, ${copied.blobs} blobs (${copied.skipped} were there), ${copied.bytes} bytes`,
          `${copied.evidence.length} pieces of evidence for ${short(root.digest)}, found there by ${copied.found}`,
        ].join('\n'),
      );
      return undefined;
    } finally {
      done();
    }
  },
};

/** The token of our own server goes to exactly its address; everywhere else what docker knows is used. */
function credentialsFor({ settings }: Invocation, origin: string): Credentials | undefined {
  const { address, token, env } = settings;
  if (token !== undefined && URL.canParse(address) && new URL(address).origin === origin)
    return { user: 'sallyport', password: token, onlyAt: origin };
  return dockerCredentials(new URL(origin).host, env);
}
