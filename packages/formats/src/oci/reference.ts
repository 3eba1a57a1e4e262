import { type Digest, parseDigest } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';

/** `[host[:port]/]repository[:tag][@digest]`, as people and clients write images. */
export interface Reference {
  readonly host?: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** The last part of `/v2/<repository>/manifests/<reference>`. */
export type ManifestReference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest };

// Each alternative begins with another character, so matching is linear in the text.
const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const hostPattern =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:]{2,39}\])(?::[0-9]{1,5})?$/;

/** Reads a repository name by the grammar of distribution-spec 1.1: no upper case, no "..", no leading slash. */
export function parseRepositoryName(text: string): string {
  if (text.length > 255 || !repositoryPattern.test(text)) {
    throw refused('a repository name like "team/service"', text);
  }
  return text;
}

/** Reads a tag by the grammar of distribution-spec 1.1. */
export function parseTag(text: string): string {
  if (!tagPattern.test(text)) throw refused('a tag like "v1.2.3"', text);
  return text;
}

export function parseManifestReference(text: string): ManifestReference {
  if (text.includes(':')) return { kind: 'digest', digest: parseDigest(text) };
  return { kind: 'tag', tag: parseTag(text) };
}

/** Reads an image reference. The first part is a host when it contains "." or ":" or is "localhost", as docker has it. */
export function parseReference(text: string): Reference {
  if (text.length > 1000) throw refused('an image reference', text);
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1));
  const named = at < 0 ? text : text.slice(0, at);
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasHost = first === 'localhost' || /[.:]/.test(first);
  if (hasHost && !hostPattern.test(first)) throw refused('a host and port', first);
  const path = hasHost ? named.slice(slash + 1) : named;
  const colon = path.indexOf(':');
  const tag = colon < 0 ? undefined : parseTag(path.slice(colon + 1));
  return {
    ...(hasHost ? { host: first } : {}),
    repository: parseRepositoryName(colon < 0 ? path : path.slice(0, colon)),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function refused(expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'formats.oci_reference',
    `expected ${expected}, got ${JSON.stringify(got.slice(0, 100))}`,
  );
}
