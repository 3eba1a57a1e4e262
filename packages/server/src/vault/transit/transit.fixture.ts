import { randomBytes } from 'node:crypto';
import { createNonces } from './aead.ts';
import type { Answer, Eventually } from './batch.ts';
import type { Fields } from './fields.ts';
import type { ChangedKey, TransitKey, VersionSecret } from './key.ts';
import { createKeyThread } from './key-thread.ts';
import { factsOf, type KeyType } from './key-types.ts';
import { createKey, readCreateRequest, rotateKey } from './lifecycle.ts';
import { generateMaterial, generateRsa, type Material } from './material.ts';
import { createMaterialCache } from './material-cache.ts';

/** A transit engine without HTTP: real randomness, a clock that is set, secrets in a map. */
export function createTransitFixture() {
  const secrets = new Map<string, VersionSecret>();
  const cache = createMaterialCache();
  const random = { bytes: (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes)) };
  const time = { now: new Date('2026-11-20T12:00:00Z') };
  const deps = {
    cache,
    material: cache.over(({ id }) => secrets.get(id)),
    thread: createKeyThread(),
    nonce: createNonces(random),
    random,
    clock: { now: () => time.now },
  };
  const keep = ({ key, secrets: made }: ChangedKey): TransitKey => {
    for (const [id, secret] of Object.entries(made)) secrets.set(id, secret);
    return key;
  };
  const material = async (type: KeyType, keySizeBytes = 0): Promise<Material> => {
    const facts = factsOf(type);
    return facts.family === 'rsa' ? generateRsa(facts) : generateMaterial(type, keySizeBytes, random);
  };
  return {
    deps,
    time,
    secrets,
    keep,
    material,
    async create(body: Fields = {}, name = 'k'): Promise<TransitKey> {
      const request = readCreateRequest(body);
      return keep(createKey(deps, name, request, await material(request.type, request.keySizeBytes)));
    },
    /** A key whose one version is the material of a vector. */
    createOf(type: KeyType, made: Material, body: Fields = {}): TransitKey {
      return keep(createKey(deps, 'k', readCreateRequest({ ...body, type }), made));
    },
    async rotate(key: TransitKey): Promise<TransitKey> {
      return keep(rotateKey(deps, key, await material(key.type, key.keySizeBytes)));
    },
  };
}

export function base64(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64');
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** A field of an answer, as text. */
export function textOf({ data }: Answer, name: string): string {
  const value = data[name];
  if (typeof value !== 'string') throw new Error(`expected ${name} as text`);
  return value;
}

/** The answer of what must not need to wait. */
export function atOnce(answer: Eventually<Answer>): Answer {
  if (answer instanceof Promise) throw new Error('expected an answer at once, got a promise');
  return answer;
}

/** The bytes behind `vault:vN:`. */
export function unwire(text: string, form: 'base64' | 'base64url' = 'base64'): Buffer {
  return Buffer.from(text.slice(text.indexOf(':', 7) + 1), form);
}

export function results({ data }: Answer): readonly Readonly<Record<string, unknown>>[] {
  return data['batch_results'] as readonly Readonly<Record<string, unknown>>[];
}
