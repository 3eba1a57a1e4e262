import { type Call, type Handler, prepared, type Reply } from '../backend.ts';
import { nothingHere } from '../errors.ts';
import { backupKey, existsAlready, restoreKey } from './backup.ts';
import { describeWrappingKey } from './describe.ts';
import { type Engine, materialBefore, mountDeps, moved, requireKey } from './engine.ts';
import { exportKey } from './export.ts';
import { refused } from './faults.ts';
import { readFlag } from './fields.ts';
import {
  importMaterial,
  importVersion,
  readImportRequest,
  requireImportable,
  wrappingKeyRequest,
} from './import.ts';
import type { ChangedKey, TransitKey } from './key.ts';
import type { KeyType } from './key-types.ts';
import { createKey } from './lifecycle.ts';
import type { Material } from './material.ts';
import { parseKeyName } from './record.ts';
import { findKey, findWrappingKey, hasKey, putKey, putWrappingKey } from './stored-keys.ts';

/** Keys that leave and come: exports, backups, imports. */

export function carryPaths(engine: Engine) {
  const depsOf = (call: Call) => mountDeps(engine, call.store, call.now);

  /** Unwraps before the turn: RSA-4096 takes milliseconds. */
  async function unwrapped(call: Call, type: KeyType, derived: boolean): Promise<Material> {
    const wrappingKey = findWrappingKey(call.store);
    if (wrappingKey === undefined && (call.fields.find('ciphertext') ?? '') !== '') {
      throw refused('import', 'expected a key wrapped with wrapping_key, which nobody asked for yet');
    }
    return await importMaterial(depsOf(call), wrappingKey, type, derived, call.request.body);
  }

  const wrappingKey: Handler = prepared<Material | undefined>({
    async prepare(call) {
      if (findWrappingKey(call.store) !== undefined) return undefined;
      return await materialBefore(wrappingKeyRequest.type);
    },
    decide(call, material) {
      const known = findWrappingKey(call.store);
      if (known !== undefined) return { data: describeWrappingKey(known) };
      if (material === undefined) throw moved();
      const changed = createKey(depsOf(call), 'wrapping-key', wrappingKeyRequest, material);
      putWrappingKey(call.store, changed);
      return { data: describeWrappingKey(changed.key) };
    },
  });

  const importKey: Handler = prepared<Material>({
    async prepare(call) {
      requireFree(call);
      const { type, derived } = readImportRequest(call.request.body);
      return await unwrapped(call, type, derived);
    },
    decide(call, material) {
      requireFree(call);
      const request = readImportRequest(call.request.body);
      const name = parseKeyName(call.params['name'] ?? '');
      putKey(call.store, createKey(depsOf(call), name, request, material, request), undefined);
      return {};
    },
  });

  const importKeyVersion: Handler = prepared<{ readonly key: TransitKey; readonly material: Material }>({
    async prepare(call) {
      const key = requireKey(call);
      requireImportable(key);
      return { key, material: await unwrapped(call, key.type, key.derived) };
    },
    decide(call, { key, material }) {
      // Another key of that name may be of another type.
      if (requireKey(call) !== key) throw moved();
      putKey(call.store, importVersion(depsOf(call), key, material, call.request.body), key);
      return {};
    },
  });

  const restore: Handler = prepared<ChangedKey>({
    // Checking what is in it takes a signature for each version: not in the turn.
    async prepare(call) {
      const name = call.params['name'] ?? call.fields.findText('name');
      return restoreKey(depsOf(call), call.request.body, name === undefined ? undefined : parseKeyName(name));
    },
    decide(call, restored) {
      const known = findKey(call.store, restored.key.name);
      const force = readFlag(call.request.body, 'force') ?? false;
      if (known !== undefined && !force) throw existsAlready(restored.key.name);
      putKey(call.store, restored, known);
      return {};
    },
  });

  return {
    wrappingKey,
    importKey,
    importKeyVersion,
    restore,
    backup(call: Call): Reply {
      const key = requireKey(call);
      const { backup, key: kept } = backupKey(depsOf(call), key);
      putKey(call.store, { key: kept, secrets: {} }, key);
      return { data: { backup } };
    },
    exportKey(call: Call): Reply {
      const { type, name, version } = call.params;
      const key = findKey(call.store, name ?? '');
      if (key === undefined) throw nothingHere();
      return { data: exportKey(depsOf(call), key, type ?? '', version, call.request.query) };
    },
  };
}

function requireFree(call: Call): void {
  const name = parseKeyName(call.params['name'] ?? '');
  if (hasKey(call.store, name)) {
    throw refused('import', 'the import path cannot be used with an existing key: use import_version');
  }
}
