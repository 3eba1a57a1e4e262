import type { FieldDoc } from '../../backend.ts';
import { invalidSetting } from '../../credentials/login.ts';
import { parseDuration } from '../../duration.ts';
import type { Fields, JsonObject } from '../../fields.ts';

/** One field of a configuration or a role: how it is read, kept, shown and described. */
export interface Setting {
  readonly kind:
    | 'text'
    | 'list'
    | 'boolean'
    | 'integer'
    | 'duration'
    | 'leeway'
    | 'map'
    | 'object'
    | 'objects';
  /** What it is when nobody ever wrote it. */
  readonly absent: unknown;
  readonly doc: string;
}

export type Settings = Readonly<Record<string, Setting>>;

/** Reads what a request says in the one form that is kept and shown; what it does not mention stays as it was. */
export function readSettings(settings: Settings, fields: Fields, before: JsonObject = {}): JsonObject {
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => {
      const given = readOne(setting, fields, name);
      const kept = Object.hasOwn(before, name) ? before[name] : setting.absent;
      return [name, given ?? kept];
    }),
  );
}

export function docsOf(settings: Settings): Readonly<Record<string, FieldDoc>> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, { kind, doc }]) => [name, { type: docTypes[kind], doc }]),
  );
}

const docTypes: Readonly<Record<Setting['kind'], FieldDoc['type']>> = {
  text: 'string',
  list: 'list',
  boolean: 'boolean',
  integer: 'integer',
  duration: 'duration',
  leeway: 'duration',
  map: 'map',
  object: 'object',
  objects: 'list',
};

function readOne({ kind }: Setting, fields: Fields, name: string): unknown {
  switch (kind) {
    case 'text':
      return fields.findText(name);
    case 'list':
      return fields.findList(name);
    case 'boolean':
      return fields.findBoolean(name);
    case 'integer':
      return fields.findInteger(name);
    case 'duration':
      return fields.findSeconds(name);
    case 'leeway':
      return findLeeway(fields, name);
    case 'map':
      return fields.findMap(name);
    case 'object':
      return fields.object(name);
    case 'objects': {
      const value = fields.find(name);
      if (value !== undefined && !Array.isArray(value))
        throw invalidSetting(`expected '${name}' as a list of objects`);
      return value;
    }
  }
}

/** Seconds; any negative number is "none" and kept as -1. */
function findLeeway(fields: Fields, name: string): number | undefined {
  const value = fields.find(name);
  if (value === undefined) return undefined;
  const isNegative =
    typeof value === 'number' ? value < 0 : typeof value === 'string' && value.startsWith('-');
  return isNegative ? -1 : parseDuration(value, name);
}
