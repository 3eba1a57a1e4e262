import { bundleReferrer } from '@sallyport/formats';
import type { Registry } from '#registry';
import type { AttachReferrer } from '#signing';

/** Puts a bundle beside its image, where any OCI client finds it. The same bundle again is no change. */
export function createAttach(registry: Registry): AttachReferrer {
  return async (repository, subject, predicateType, bundleText) => {
    const { content, mediaType } = await registry.getManifest(repository, subject);
    const referrer = bundleReferrer(
      { mediaType, digest: subject, size: content.length },
      bundleText,
      predicateType,
    );
    for (const blob of referrer.blobs) await registry.putBlob(repository, blob);
    await registry.putManifest(repository, referrer.manifest, referrer.descriptor.mediaType);
  };
}
