import { afterAll, describe, expect, it } from 'vitest';
import { type RecordPath, recordIn } from '#journal';
import { systemRandom } from '#platform';
import type { Call, Prepared, Records, Reply } from '../backend.ts';
import { configureKey } from './configure.ts';
import { createEngine, keyOperation, mountDeps } from './engine.ts';
import type { TransitKey } from './key.ts';
import { createKey, readCreateRequest } from './lifecycle.ts';
import { generateMaterial } from './material.ts';
import { signRequest } from './sign.ts';
import { findKey, putKey, removeKey } from './stored-keys.ts';

const engine = createEngine(systemRandom);
afterAll(() => engine.thread.close());

/** Records of one mount in a map; what is read stays the same object until it is written, as in the journal. */
function recordsInMap(): Records {
  const values = new Map<string, unknown>();
  const textOf = (path: RecordPath): string => (typeof path === 'string' ? path : path.path);
  return {
    at: recordIn,
    has: (path) => values.has(textOf(path)),
    get: notAsked,
    getStamped: notAsked,
    put: notAsked,
    // One codec for a path, as the journal promises.
    read: <T>(path: RecordPath) => values.get(textOf(path)) as T | undefined,
    write: (path, _codec, value) => void values.set(textOf(path), value),
    delete: (path) => void values.delete(textOf(path)),
    list: (directory) => [...values.keys()].filter((path) => path.startsWith(directory)),
  };
}

function notAsked(): never {
  throw new Error('expected records to be read and written through a codec');
}

function setUp(type: string) {
  const store = recordsInMap();
  const body = { input: 'YQ==', prehashed: false };
  const request = readCreateRequest({ type });
  const material = generateMaterial(request.type, 0, systemRandom);
  putKey(store, createKey(mountDeps(engine, store, 0), 'k', request, material), undefined);
  // What the handler reads of a call.
  const call = { store, now: 0, params: { name: 'k' }, request: { body } } as unknown as Call;
  let runs = 0;
  const handler = keyOperation(
    engine,
    (deps, key, { request }) => {
      runs += 1;
      return signRequest(deps, key, request.body);
    },
    (key) => key.type !== 'ed25519',
  ) as Prepared<unknown>;
  const finish = async (change: (key: TransitKey) => void): Promise<Reply> => {
    const value = await handler.prepare(call, AbortSignal.timeout(10_000));
    change(findKey(store, 'k') as TransitKey);
    return handler.decide(call, value);
  };
  return { store, finish, runs: () => runs };
}

describe('an operation that has to wait', () => {
  it('is computed once, before the turn', async () => {
    const { finish, runs } = setUp('ecdsa-p384');

    expect(await finish(() => undefined)).toMatchObject({ data: { key_version: 1 } });
    expect(runs()).toBe(1);
  });

  it('is not given out when its key was configured, replaced or deleted meanwhile', async () => {
    const configured = setUp('ecdsa-p384');
    const deleted = setUp('ecdsa-p384');
    const touch = (store: Records) => (key: TransitKey) =>
      putKey(store, { key: configureKey(key, { deletion_allowed: true }).key, secrets: {} }, key);

    await expect(configured.finish(touch(configured.store))).rejects.toThrow('the key changed');
    await expect(deleted.finish((key) => removeKey(deleted.store, key))).rejects.toThrow('key not found');
  });
});

describe('an operation that need not wait', () => {
  it('is computed in the turn, with the key as it is there', async () => {
    const { store, finish, runs } = setUp('ed25519');

    const reply = await finish((key) =>
      putKey(store, { key: configureKey(key, { deletion_allowed: true }).key, secrets: {} }, key),
    );

    expect(reply).toMatchObject({ data: { key_version: 1 } });
    expect(runs()).toBe(1);
  });
});
