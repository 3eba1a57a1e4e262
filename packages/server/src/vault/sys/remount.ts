import type { Turn } from '#journal';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { moveMount } from '../mounts/change.ts';
import { requireReach } from '../mounts/environment.ts';
import { isReserved, mountPath } from '../mounts/paths.ts';
import { mountsOf } from '../mounts/table.ts';
import { jsonCodec } from '../records.ts';

interface Move {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

/** Clients ask once or twice how their move went; older ones are forgotten. */
const remembered = 50;
const recordPath = 'core/remounts';
const codec = jsonCodec<readonly Move[]>(true);

export const remountPaths: readonly PathSpec[] = [
  {
    pattern: 'remount',
    synopsis: 'Move a mount to another path. Tokens that a moved login method gave out end.',
    fields: {
      from: { type: 'string', doc: 'Where it is; login methods with auth/.' },
      to: { type: 'string', doc: 'Where it goes.' },
    },
    sudo: true,
    on: { update: remount },
  },
  {
    pattern: 'remount/status/:id',
    synopsis: 'How a move went, by the migration id of its answer.',
    on: { read: status },
  },
];

/** Vault moves in the background; here the mount is at its new path when the answer comes. */
function remount(call: Call): Reply {
  const from = endOf(call, 'from');
  const to = endOf(call, 'to');
  if (from.kind === 'auth' && to.kind !== 'auth')
    throw badRequest(`cannot remount auth mount to non-auth mount "${to.path}"`);
  if (from.kind !== 'auth' && to.kind === 'auth')
    throw badRequest(`cannot remount non-auth mount to auth mount "${to.path}"`);
  if (from.reserved) throw badRequest(`cannot remount "${from.path}"`);
  if (to.reserved) throw badRequest(`cannot remount to destination "${to.path}"`);
  const mount = mountsOf(call.turn).at(from.path);
  if (mount === undefined) throw badRequest(`no matching mount at "${from.path}"`);
  requireReach(call.caller, mount.environment);
  moveMount(call.turn, mount, to.path);
  const id = call.core.uuid();
  remember(call.turn, { id, from: from.path, to: to.path });
  return { data: { migration_id: id }, flat: true };
}

function endOf(call: Call, name: 'from' | 'to') {
  const text = call.fields.text(name);
  if (text === '') throw badRequest("both 'from' and 'to' path must be specified as a string");
  const path = mountPath(text);
  const kind = path.startsWith('auth/') ? 'auth' : 'secret';
  const reserved =
    kind === 'auth'
      ? path === 'auth/' || isReserved(path.slice('auth/'.length), 'auth')
      : isReserved(path, 'secret');
  return { path, kind, reserved } as const;
}

function remember(turn: Turn, move: Move): void {
  const space = turn.space('system');
  const before = space.read(recordPath, codec) ?? [];
  space.write(recordPath, codec, [...before, move].slice(-remembered));
}

function status(call: Call): Reply {
  const moves = call.turn.space('system').read(recordPath, codec) ?? [];
  const move = moves.find((each) => each.id === call.params['id']);
  if (move === undefined) throw nothingHere();
  const info: JsonObject = { source_mount: move.from, target_mount: move.to, status: 'success' };
  return { data: { migration_id: move.id, migration_info: info } };
}
