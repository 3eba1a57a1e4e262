import { Fault } from '@sallyport/formats';
import type { Random } from '#platform';
import { type Call, type Handler, prepared, type Records, type Reply } from '../backend.ts';
import { createNonces } from './aead.ts';
import type { Answer, Eventually } from './batch.ts';
import { refused } from './faults.ts';
import type { TransitKey } from './key.ts';
import { createKeyThread, type KeyThread } from './key-thread.ts';
import { factsOf, type KeyType } from './key-types.ts';
import type { LifecycleDeps } from './lifecycle.ts';
import { generateMaterial, generateRsa, type Material } from './material.ts';
import { createMaterialCache, type KeyMaterial, type MaterialCache } from './material-cache.ts';
import type { SignDeps } from './sign.ts';
import { findKey, findSecret } from './stored-keys.ts';

/** What all transit mounts of a server share. */
export interface Engine {
  readonly random: Random;
  readonly cache: MaterialCache;
  readonly thread: KeyThread;
  nonce(): Uint8Array;
}

export function createEngine(random: Random): Engine {
  return { random, cache: createMaterialCache(), thread: createKeyThread(), nonce: createNonces(random) };
}

/** The engine over the records of one mount, at one moment. */
export type MountDeps = SignDeps & LifecycleDeps & { readonly material: KeyMaterial };

export function mountDeps(engine: Engine, store: Records, now: number): MountDeps {
  return {
    material: engine.cache.over((version) => findSecret(store, version)),
    thread: engine.thread,
    nonce: engine.nonce,
    random: engine.random,
    clock: { now: () => new Date(now) },
  };
}

export function replyOf({ data, status, warnings }: Answer): Reply {
  return { data, warnings, ...(status === 200 ? {} : { status }) };
}

/** The key a path names; the refusal is a 400 and no 404, as for every operation of Vault's transit. */
export function requireKey(call: Call): TransitKey {
  const key = findKey(call.store, call.params['name'] ?? '');
  if (key === undefined) throw refused('no_key', 'encryption key not found');
  return key;
}

interface Early {
  readonly key: TransitKey;
  readonly answer: Answer;
}

/**
 * A handler for an operation that may have to wait for the key thread: `waits` says whether it does for this key and
 * request. What waits is computed before the turn, and given out in it only if the key is still the very same: one that
 * was deleted or configured meanwhile must not be used once more.
 */
export function keyOperation(
  engine: Engine,
  operate: (deps: MountDeps, key: TransitKey, call: Call) => Eventually<Answer>,
  waits: (key: TransitKey, call: Call) => boolean,
): Handler {
  const run = (key: TransitKey, call: Call) => operate(mountDeps(engine, call.store, call.now), key, call);
  return prepared<Early | undefined>({
    async prepare(call) {
      const key = findKey(call.store, call.params['name'] ?? '');
      if (key === undefined || !waits(key, call)) return undefined;
      return { key, answer: await run(key, call) };
    },
    decide(call, early) {
      const key = requireKey(call);
      if (early === undefined && !waits(key, call)) {
        const answer = run(key, call);
        if (!(answer instanceof Promise)) return replyOf(answer);
        // Nobody takes its result, which may be a refusal.
        answer.catch(() => undefined);
      }
      if (early === undefined || early.key !== key) throw moved();
      return replyOf(early.answer);
    },
  });
}

/** Material of any type, before the turn for RSA: see `materialNow`. */
export async function materialBefore(type: KeyType): Promise<Material | undefined> {
  const facts = factsOf(type);
  return facts.family === 'rsa' ? await generateRsa(facts) : undefined;
}

/** What was made before the turn, or material that is made at once. */
export function materialNow(
  engine: Engine,
  type: KeyType,
  keySizeBytes: number,
  made: { readonly type: KeyType; readonly material: Material } | undefined,
): Material {
  if (made?.type === type) return made.material;
  if (factsOf(type).family === 'rsa') throw moved();
  return generateMaterial(type, keySizeBytes, engine.random);
}

export function moved(): Fault {
  return new Fault('unavailable', 'vault.transit_moved', 'the key changed while the request was prepared', {
    hint: 'try again',
  });
}
