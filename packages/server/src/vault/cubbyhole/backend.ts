import { RawJson } from '../audit/json-walk.ts';
import type { Backend, Call, Records, Reply } from '../backend.ts';
import { badRequest, nothingHere, permissionDenied } from '../errors.ts';
import { maxTextLength } from '../fields.ts';
import { below } from '../records.ts';
import { cubbyholePath, tokenSpace } from '../tokens/entry.ts';

/**
 * A place of its own for each token, which nobody else reads, root included; gone with the token. Its records are
 * among those of the token, not below the mount, so that revoking takes them along.
 */
export const cubbyholeBackend: Backend = {
  type: 'cubbyhole',
  description: 'Keeps secrets for one token, until it ends.',
  paths: [
    {
      pattern: ':path*',
      synopsis: 'Read, write, list or delete what this token keeps.',
      exists: (call) => recordsOf(call).has(pathOf(call)),
      on: {
        read: readRecord,
        create: write,
        update: write,
        delete: remove,
        list,
      },
    },
  ],
};

function readRecord(call: Call): Reply {
  const json = recordsOf(call).get(pathOf(call));
  if (json === undefined) throw nothingHere();
  return { data: new RawJson(json) };
}

function write(call: Call): Reply {
  const path = pathOf(call);
  if (path === '') throw badRequest('missing path');
  if (Object.keys(call.fields.raw).length === 0) throw badRequest('missing data fields');
  const json = Buffer.from(JSON.stringify(call.fields.raw));
  if (json.length > maxTextLength * 8)
    throw badRequest(`expected at most ${maxTextLength * 8} bytes, got ${json.length}`);
  recordsOf(call).put(path, json);
  return {};
}

function remove(call: Call): Reply {
  recordsOf(call).delete(pathOf(call));
  return {};
}

function list(call: Call): Reply {
  const path = pathOf(call);
  const keys = recordsOf(call).list(path === '' ? '' : `${path}/`);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

function recordsOf({ caller, turn }: Call): Records {
  // No path of this backend is open, so there is a caller; without one there is nothing to show.
  if (caller === undefined) throw permissionDenied();
  return below(tokenSpace(turn), cubbyholePath(caller.token.accessor));
}

function pathOf(call: Call): string {
  return call.params['path'] ?? '';
}
