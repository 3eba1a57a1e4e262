import type { Call, Records, Reply } from '../../backend.ts';
import { badRequest, nothingHere } from '../../errors.ts';
import { createFields, type Fields, type JsonObject } from '../../fields.ts';
import { jsonCodec } from '../../records.ts';
import { describeTokenSettings, readTokenSettings, type TokenSettings } from '../token-fields.ts';
import { readSettings, type Settings } from './settings.ts';

/** A role as it is kept: its settings as they were read, and those of its tokens. */
export interface RoleRecord {
  readonly settings: JsonObject;
  readonly token: TokenSettings;
}

/** What a method makes of a role's settings; throws `Fault('invalid')` for what must not be written. */
export type ParseRole<T> = (name: string, fields: Fields, token: TokenSettings) => T;

/** The roles of one login method, named in the path and, like all names of Vault's methods, without case. */
export interface Roles<T> {
  find(store: Records, name: string): RoleRecord | undefined;
  names(store: Records): readonly string[];
  /** The role in the method's own form, read once for each version of it. */
  parsed(name: string, record: RoleRecord, parse: ParseRole<T>): T;
  write(call: Call, parse: ParseRole<T>): Reply;
  /** Its settings and those of its tokens; throws `404` where there is none. */
  shown(call: Call): JsonObject;
  read(call: Call): Reply;
  remove(call: Call): Reply;
  list(call: Call): Reply;
  has(call: Call): boolean;
}

const codec = jsonCodec<RoleRecord>(true);
const namePattern = /^\w(?:[\w.@-]{0,126}\w)?$/;

/** `directory` ends with a slash. */
export function createRoles<T>({
  directory,
  settings,
}: {
  readonly directory: string;
  readonly settings: Settings;
}): Roles<T> {
  const known = new WeakMap<RoleRecord, T>();

  function find(store: Records, name: string): RoleRecord | undefined {
    const lowered = name.toLowerCase();
    return namePattern.test(lowered) ? store.read(directory + lowered, codec) : undefined;
  }

  function parsed(name: string, record: RoleRecord, parse: ParseRole<T>): T {
    let role = known.get(record);
    if (role === undefined) {
      role = parse(name.toLowerCase(), createFields(record.settings), record.token);
      known.set(record, role);
    }
    return role;
  }

  function shown(call: Call): JsonObject {
    const record = find(call.store, nameOf(call));
    if (record === undefined) throw nothingHere();
    return { ...record.settings, ...describeTokenSettings(record.token) };
  }

  return {
    find,
    parsed,
    names: (store) => store.list(directory),
    write(call, parse) {
      const name = nameOf(call);
      const before = find(call.store, name);
      const record: RoleRecord = {
        settings: readSettings(settings, call.fields, before?.settings),
        token: readTokenSettings(call, before?.token),
      };
      parsed(name, record, parse);
      call.store.write(directory + name, codec, record);
      return {};
    },
    shown,
    read: (call) => ({ data: shown(call) }),
    remove(call) {
      call.store.delete(directory + nameOf(call));
      return {};
    },
    list(call) {
      const keys = call.store.list(directory);
      if (keys.length === 0) throw nothingHere();
      return { data: { keys } };
    },
    has: (call) => find(call.store, call.params['name'] ?? '') !== undefined,
  };
}

/** The name in the path, in lower case. */
export function nameOf(call: Call): string {
  const name = (call.params['name'] ?? '').toLowerCase();
  if (!namePattern.test(name))
    throw badRequest(
      'expected a name of at most 128 letters, digits, ".", "_", "-" and "@" that begins and ends with a letter or digit',
    );
  return name;
}
