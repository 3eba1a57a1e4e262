import type { Call, Handler, Reply } from '../backend.ts';
import { datakeyRequest } from './datakey.ts';
import { decryptRequest, encryptRequest, readUpsert, rewrapRequest } from './encrypt.ts';
import {
  type Engine,
  keyOperation,
  type MountDeps,
  materialNow,
  mountDeps,
  moved,
  replyOf,
  requireKey,
} from './engine.ts';
import { readFlag } from './fields.ts';
import { hmacRequest } from './hmac.ts';
import { type TransitKey, versionOf } from './key.ts';
import { factsOf } from './key-types.ts';
import { createKey, recordUses, rotateKey, rotationDue } from './lifecycle.ts';
import { parseKeyName } from './record.ts';
import { signRequest } from './sign.ts';
import { putKey } from './stored-keys.ts';
import { verifyRequest } from './verify.ts';

/** What is done with keys. */

const isRsa = (key: TransitKey): boolean => factsOf(key.type).family === 'rsa';
const never = (): boolean => false;

/** ECDSA signs at once only with P-256, and only what is not hashed yet. */
function signingWaits(key: TransitKey, call: Call): boolean {
  const facts = factsOf(key.type);
  if (facts.family !== 'ecdsa') return facts.family === 'rsa';
  return facts.curve !== 'P-256' || isPrehashed(call);
}

function verifyingWaits(key: TransitKey, call: Call): boolean {
  return factsOf(key.type).family === 'ecdsa' && isPrehashed(call);
}

const isPrehashed = ({ request }: Call): boolean => readFlag(request.body, 'prehashed') ?? false;

export function usePaths(engine: Engine) {
  function encryptWith(call: Call, key: TransitKey): Reply {
    const used = keepWithinUses(engine, call, key);
    const answer = encryptRequest(mountDeps(engine, call.store, call.now), used, call.request.body);
    if (answer instanceof Promise) throw moved();
    return replyOf(answer);
  }

  const over = (
    operate: (
      deps: MountDeps,
      key: TransitKey,
      body: Call['request']['body'],
      hash?: string,
    ) => ReturnType<typeof signRequest>,
    waits: (key: TransitKey, call: Call) => boolean,
  ): Handler =>
    keyOperation(
      engine,
      (deps, key, call) => operate(deps, key, call.request.body, call.params['hash']),
      waits,
    );

  return {
    encrypt: (call: Call): Reply => encryptWith(call, requireKey(call)),
    /** Encrypting with a name nobody used yet makes the key; policies know that as `create`. */
    encryptWithNew(call: Call): Reply {
      const request = readUpsert(call.request.body);
      const name = parseKeyName(call.params['name'] ?? '');
      const material = materialNow(engine, request.type, request.keySizeBytes, undefined);
      const changed = createKey(mountDeps(engine, call.store, call.now), name, request, material);
      putKey(call.store, changed, undefined);
      return encryptWith(call, changed.key);
    },
    datakey(call: Call): Reply {
      const key = keepWithinUses(engine, call, requireKey(call));
      const deps = mountDeps(engine, call.store, call.now);
      return replyOf(datakeyRequest(deps, key, call.params['form'] ?? '', call.request.body));
    },
    decrypt: over(decryptRequest, isRsa),
    rewrap: over(rewrapRequest, isRsa),
    sign: over(signRequest, signingWaits),
    verify: over(verifyRequest, verifyingWaits),
    hmac: over(hmacRequest, never),
  };
}

/**
 * Writes down how often the latest version encrypted, now and then, and rotates the key before it did so 2^32 times:
 * in the turn that would be too many, not later.
 */
function keepWithinUses(engine: Engine, call: Call, key: TransitKey): TransitKey {
  const latest = versionOf(key, key.latestVersion);
  if (engine.cache.pendingUses(latest) === 0 || factsOf(key.type).family !== 'aead') return key;
  const recorded = recordUses(engine.cache, key);
  if (recorded !== undefined) putKey(call.store, { key: recorded, secrets: {} }, key);
  const counted = recorded ?? key;
  if (!rotationDue(engine.cache, counted, new Date(call.now))) return counted;
  const deps = mountDeps(engine, call.store, call.now);
  const changed = rotateKey(deps, counted, materialNow(engine, key.type, key.keySizeBytes, undefined));
  putKey(call.store, changed, counted);
  return changed.key;
}
