import { RawJson } from '../audit/json-walk.ts';
import type { Call, Reply } from '../backend.ts';
import { parseDuration } from '../duration.ts';
import { judgeValues } from '../environments/duplicates.ts';
import { fingerprintsOf } from '../environments/fingerprints.ts';
import { badRequest, nothingHere } from '../errors.ts';
import { sighted } from '../inventory/readers.ts';
import { defaultTtlOf } from '../mounts/mount.ts';
import { forget, printsOfValue } from './prints.ts';

export const v1Directory = 'v1/';

export function hasKey(call: Call): boolean {
  return call.store.has(v1Directory + (call.params['path'] ?? ''));
}

export function readKey(call: Call): Reply {
  const path = pathOf(call);
  const value = call.store.get(v1Directory + path);
  if (value === undefined) throw nothingHere();
  return {
    data: new RawJson(value),
    lease: { id: '', seconds: secondsOf(call, value), renewable: false },
    after: sighted(call, path, 0),
  };
}

/** A client caches for this long: the secret's own `ttl`, or `lease`, if it has one. */
function secondsOf(call: Call, value: Buffer): number {
  const fallback = defaultTtlOf(call.mount);
  if (!value.includes('"ttl"') && !value.includes('"lease"')) return fallback;
  const { ttl, lease } = JSON.parse(value.toString('utf8')) as { ttl?: unknown; lease?: unknown };
  try {
    return parseDuration(ttl ?? lease ?? fallback) || fallback;
  } catch {
    // Somebody's value that happens to have this name.
    return fallback;
  }
}

export function writeKey(call: Call): Reply {
  if (Object.keys(call.fields.raw).length === 0) throw badRequest('missing data fields');
  const path = pathOf(call);
  const prints = fingerprintsOf(call.request.bodyBytes, call.core.fingerprintKey);
  const held = printsOfValue(call, v1Directory + path);
  const { refusal, warnings } = judgeValues(call, path, prints, new Set(held?.keys.keys()));
  if (refusal !== undefined) return { refusal };
  for (const print of held?.keys.keys() ?? []) if (!prints.keys.has(print)) forget(call, path, print);
  call.store.put(v1Directory + path, Buffer.from(call.request.bodyBytes));
  return { warnings };
}

export function deleteKey(call: Call): Reply {
  const path = pathOf(call);
  for (const print of printsOfValue(call, v1Directory + path)?.keys.keys() ?? []) forget(call, path, print);
  call.store.delete(v1Directory + path);
  return {};
}

export function listV1(call: Call): Reply {
  const path = call.params['path'] ?? '';
  const keys = call.store.list(v1Directory + (path === '' ? '' : `${path}/`));
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

function pathOf(call: Call): string {
  const path = call.params['path'] ?? '';
  if (path === '') throw badRequest('missing path');
  return path;
}
