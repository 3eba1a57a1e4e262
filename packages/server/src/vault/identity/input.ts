import type { Call } from '../backend.ts';
import { badRequest } from '../errors.ts';
import type { Fields } from '../fields.ts';
import type { Mount } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';

const maxNameLength = 512;
/** As in Vault. */
const maxPairs = 64;
const maxKeyLength = 128;
const maxValueLength = 512;
// Controls and what shows as nothing: a name is inserted into paths of policies and read by people.
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Cn}]/u;

/** A name, bounded and visible; the empty text where the request has none. */
export function nameIn(fields: Fields, inPath?: string): string {
  const name = inPath ?? fields.text('name');
  if (name.length > maxNameLength || hidden.test(name)) {
    throw badRequest(`expected a name of at most ${maxNameLength} visible characters, got another text`);
  }
  return name;
}

export function findMetadata(fields: Fields, name: 'metadata' | 'custom_metadata') {
  const map = fields.findMap(name);
  if (map === undefined) return undefined;
  const pairs = Object.entries(map);
  if (pairs.length > maxPairs)
    throw badRequest(`${name}: expected at most ${maxPairs} pairs, got ${pairs.length}`);
  for (const [key, value] of pairs) {
    if (key === '' || key.length > maxKeyLength || value.length > maxValueLength) {
      throw badRequest(
        `${name}: expected keys of 1 to ${maxKeyLength} and values of at most ${maxValueLength} characters`,
      );
    }
  }
  return map;
}

/** `root` is for tokens that holders of shares or root itself make, and for nobody's name. */
export function findPolicies(fields: Fields): readonly string[] | undefined {
  const names = fields.findList('policies')?.map((name) => name.toLowerCase());
  if (names?.includes('root')) throw badRequest('policies cannot contain root');
  return names === undefined ? undefined : [...new Set(names)].sort();
}

export function mountOfAccessor(call: Call, accessor: string): Mount {
  const mount = mountsOf(call.turn).byAccessor(accessor);
  if (mount === undefined)
    throw badRequest(`invalid mount accessor ${JSON.stringify(accessor.slice(0, 120))}`);
  return mount;
}
