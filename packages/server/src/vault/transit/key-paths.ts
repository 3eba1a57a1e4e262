import { type Call, type Handler, prepared, type Reply } from '../backend.ts';
import { nothingHere } from '../errors.ts';
import { configureKey, trimKey } from './configure.ts';
import { describeKey } from './describe.ts';
import { type Engine, materialBefore, materialNow, mountDeps, requireKey } from './engine.ts';
import { refused } from './faults.ts';
import type { TransitKey } from './key.ts';
import type { KeyType } from './key-types.ts';
import { createKey, readCreateRequest, requireRotatable, rotateKey } from './lifecycle.ts';
import type { Material } from './material.ts';
import { parseKeyName } from './record.ts';
import { findKey, hasKey, listKeyNames, putKey, removeKey } from './stored-keys.ts';

/** Keys as such: made, shown, configured, rotated, trimmed, deleted. */

interface Made {
  readonly type: KeyType;
  readonly material: Material;
}

export function listKeys(call: Call): Reply {
  const keys = listKeyNames(call.store);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

export function keyPaths(engine: Engine) {
  const described = (call: Call, key: TransitKey, warnings: readonly string[] = []): Reply => ({
    data: describeKey(mountDeps(engine, call.store, call.now), key, call.request.query),
    warnings,
  });

  const create: Handler = prepared<Made | undefined>({
    async prepare(call) {
      const { type } = readCreateRequest(call.request.body);
      return hasKey(call.store, call.params['name'] ?? '') ? undefined : await before(type);
    },
    decide(call, made) {
      const name = parseKeyName(call.params['name'] ?? '');
      const known = findKey(call.store, name);
      if (known !== undefined) return described(call, known, [`key ${name} already existed`]);
      const request = readCreateRequest(call.request.body);
      const material = materialNow(engine, request.type, request.keySizeBytes, made);
      const changed = createKey(mountDeps(engine, call.store, call.now), name, request, material);
      putKey(call.store, changed, undefined);
      return described(call, changed.key);
    },
  });

  const rotate: Handler = prepared<Made | undefined>({
    async prepare(call) {
      const key = requireKey(call);
      requireRotatable(key);
      return await before(key.type);
    },
    decide(call, made) {
      const key = requireKey(call);
      const material = materialNow(engine, key.type, key.keySizeBytes, made);
      const changed = rotateKey(mountDeps(engine, call.store, call.now), key, material);
      putKey(call.store, changed, key);
      return described(call, changed.key);
    },
  });

  return {
    create,
    rotate,
    read(call: Call): Reply {
      const key = findKey(call.store, call.params['name'] ?? '');
      if (key === undefined) throw nothingHere();
      return described(call, key);
    },
    configure(call: Call): Reply {
      const before = requireKey(call);
      const { key, warnings } = configureKey(before, call.request.body);
      putKey(call.store, { key, secrets: {} }, before);
      return described(call, key, warnings);
    },
    trim(call: Call): Reply {
      const before = requireKey(call);
      const key = trimKey(before, call.request.body);
      putKey(call.store, { key, secrets: {} }, before);
      return described(call, key);
    },
    remove(call: Call): Reply {
      const key = requireKey(call);
      if (!key.deletionAllowed) throw refused('deletion', 'deletion is not allowed for this key');
      removeKey(call.store, key);
      return {};
    },
  };
}

async function before(type: KeyType): Promise<Made | undefined> {
  const material = await materialBefore(type);
  return material && { type, material };
}
