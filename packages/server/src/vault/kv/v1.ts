import { RawJson } from '../audit/json-walk.ts';
import type { Call, Reply } from '../backend.ts';
import { parseDuration } from '../duration.ts';
import { badRequest, nothingHere } from '../errors.ts';
import { defaultTtlOf } from '../mounts/mount.ts';

const directory = 'v1/';

export function hasKey(call: Call): boolean {
  return call.store.has(directory + (call.params['path'] ?? ''));
}

export function readKey(call: Call): Reply {
  const value = call.store.get(directory + pathOf(call));
  if (value === undefined) throw nothingHere();
  return { data: new RawJson(value), lease: { id: '', seconds: secondsOf(call, value), renewable: false } };
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
  call.store.put(directory + pathOf(call), Buffer.from(call.request.bodyBytes));
  return {};
}

export function deleteKey(call: Call): Reply {
  call.store.delete(directory + pathOf(call));
  return {};
}

export function listV1(call: Call): Reply {
  const path = call.params['path'] ?? '';
  const keys = call.store.list(directory + (path === '' ? '' : `${path}/`));
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

function pathOf(call: Call): string {
  const path = call.params['path'] ?? '';
  if (path === '') throw badRequest('missing path');
  return path;
}
