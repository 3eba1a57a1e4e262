import { Fault } from '@sallyport/formats';
import { type ContentDigest, checkDigest } from './content-digest.ts';

/** OCI distribution 1.1, "Pulling manifests": the grammars of repository names and tags. */
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

export function checkRepository(text: string): string {
  if (text.length > 255 || !repositoryPattern.test(text))
    throw new Fault(
      'invalid',
      'registry.name_invalid',
      `expected a repository name of lower case parts, got "${text.slice(0, 100)}"`,
    );
  return text;
}

export type Reference = { readonly tag: string } | { readonly digest: ContentDigest };

export function parseReference(text: string): Reference {
  if (text.includes(':')) return { digest: checkDigest(text) };
  return { tag: checkTag(text) };
}

export function checkTag(text: string): string {
  if (!tagPattern.test(text))
    throw new Fault(
      'invalid',
      'registry.tag_invalid',
      `expected a tag or a digest, got "${text.slice(0, 100)}"`,
    );
  return text;
}
