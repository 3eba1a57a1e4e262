import type { Call, Records, Reply } from '../../backend.ts';
import { createFields, type JsonObject } from '../../fields.ts';
import { jsonCodec } from '../../records.ts';
import { readSettings } from '../method/settings.ts';
import { configSettings } from './settings.ts';

const path = 'config';
const codec = jsonCodec<JsonObject>(true);

export function findConfig(store: Records): JsonObject {
  return store.read(path, codec) ?? readSettings(configSettings, createFields({}));
}

export function readConfig({ store }: Call): Reply {
  return { data: findConfig(store) };
}

export function writeConfig({ store, fields }: Call): Reply {
  store.write(path, codec, readSettings(configSettings, fields, findConfig(store)));
  // Who asks for the binding must hear that there is none.
  const unbound = fields.findBoolean('disable_binding') === false;
  return unbound
    ? { warnings: ['disable_binding=false is kept, but renewals are not bound to certificates'] }
    : {};
}
