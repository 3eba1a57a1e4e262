import { Fault } from '@sallyport/formats';
import { type ContentDigest, checkDigest } from '../content-digest.ts';
import { checkRepository } from '../names.ts';

/** What a path under `/v2/` means (OCI distribution 1.1, "Endpoints"). */
export type Target =
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: ContentDigest }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: string }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: ContentDigest };

/**
 * Reads the path behind `/v2/`. A repository may have a part named `blobs` or `manifests`, so the words are looked for
 * from the right. This one reading serves both the permission and the work: no path is judged as one repository and
 * used as another.
 */
export function parseTarget(path: string): Target {
  const parts = path.split('/');
  const last = parts.pop() ?? '';
  const before = parts.pop() ?? '';
  if (before === 'uploads' && parts.at(-1) === 'blobs') {
    const repository = nameOf(parts.slice(0, -1));
    return last === '' ? { kind: 'uploads', repository } : { kind: 'upload', repository, id: last };
  }
  if (last === 'uploads' && before === 'blobs') return { kind: 'uploads', repository: nameOf(parts) };
  switch (before) {
    case 'blobs':
      return { kind: 'blob', repository: nameOf(parts), digest: checkDigest(last) };
    case 'manifests':
      return { kind: 'manifest', repository: nameOf(parts), reference: last };
    case 'referrers':
      return { kind: 'referrers', repository: nameOf(parts), digest: checkDigest(last) };
    case 'tags':
      if (last === 'list') return { kind: 'tags', repository: nameOf(parts) };
  }
  throw new Fault('not_found', 'registry.path_unknown', 'expected a path of the OCI distribution API');
}

function nameOf(parts: readonly string[]): string {
  return checkRepository(parts.join('/'));
}
