import type { Records } from '../backend.ts';
import { type Engine, materialBefore, materialNow, mountDeps } from './engine.ts';
import type { KeyType } from './key-types.ts';
import { rotateKey, rotationDue } from './lifecycle.ts';
import type { Material } from './material.ts';
import { findKey, listKeyNames, putKey } from './stored-keys.ts';

/** A key that is due, and the material for its next version where that takes long to make. */
export interface DueKey {
  readonly name: string;
  readonly made: { readonly type: KeyType; readonly material: Material } | undefined;
}

/** Rotation by the clock, in two steps like any request: look and prepare, then decide in a turn. */
export interface Rotation {
  /** Keys of a mount that are due, at most `limit`, with what RSA needs made before the turn. */
  prepare(store: Records, now: number, limit: number): Promise<readonly DueKey[]>;
  /** Rotates those that are still due; gives their names, for the audit. Harmless when another replica was first. */
  decide(store: Records, now: number, due: readonly DueKey[]): readonly string[];
}

export function createRotation(engine: Engine): Rotation {
  const isDue = (store: Records, name: string, now: number) => {
    const key = findKey(store, name);
    return key !== undefined && rotationDue(engine.cache, key, new Date(now)) ? key : undefined;
  };
  return {
    async prepare(store, now, limit) {
      const keys = listKeyNames(store).flatMap((name) => isDue(store, name, now) ?? []);
      const due: DueKey[] = [];
      for (const { name, type } of keys.slice(0, limit)) {
        const material = await materialBefore(type);
        due.push({ name, made: material && { type, material } });
      }
      return due;
    },
    decide(store, now, due) {
      const rotated: string[] = [];
      for (const { name, made } of due) {
        const key = isDue(store, name, now);
        // A key of another type took the name meanwhile: the next round finds it.
        if (key === undefined || (made !== undefined && made.type !== key.type)) continue;
        const material = materialNow(engine, key.type, key.keySizeBytes, made);
        putKey(store, rotateKey(mountDeps(engine, store, now), key, material), key);
        rotated.push(name);
      }
      return rotated;
    },
  };
}
