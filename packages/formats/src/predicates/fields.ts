import { closed, list, plainObject, record, type Shape, text } from '../json/shape.ts';

/** The bounded fields that several predicates share. */

export const name = text(63, /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
export const id = text(100, /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/);
export const commit = text(64, /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/);
export const sentence = text(2000);

/** Digests by algorithm, as in-toto writes them: `{"sha256": "…"}`. */
export const digestSet = record(text(200, /^[A-Za-z0-9+/=]+$/), 10);
export type DigestSet = Readonly<Record<string, string>>;

/** in-toto ResourceDescriptor v1; at least one of uri, digest and content says which resource is meant. */
export interface ResourceDescriptor {
  readonly name?: string;
  readonly uri?: string;
  readonly digest?: DigestSet;
  readonly content?: string;
  readonly downloadLocation?: string;
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

export const resourceDescriptor: Shape<ResourceDescriptor> = closed<ResourceDescriptor>(
  {},
  {
    name: text(500),
    uri: text(2000),
    digest: digestSet,
    content: text(100_000),
    downloadLocation: text(2000),
    mediaType: text(255),
    annotations: plainObject,
  },
);

export const builderVersion = record(text(200), 20);

export const resources = list(resourceDescriptor, 25_000);
