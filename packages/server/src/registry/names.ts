import { type Digest, Fault, parseDigest } from '@sallyport/formats';

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

/** A digest we can verify: SHA-256 only, because a digest that is taken on trust is none. */
export function checkDigest(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new Fault(
      'invalid',
      'registry.digest_invalid',
      `expected sha256 and 64 lower case hexadecimal digits, got "${text.slice(0, 100)}"`,
      { cause },
    );
  }
}

export type Reference = { readonly tag: string } | { readonly digest: Digest };

export function parseReference(text: string): Reference {
  if (text.includes(':')) return { digest: checkDigest(text) };
  if (!tagPattern.test(text))
    throw new Fault(
      'invalid',
      'registry.tag_invalid',
      `expected a tag or a digest, got "${text.slice(0, 100)}"`,
    );
  return { tag: text };
}
