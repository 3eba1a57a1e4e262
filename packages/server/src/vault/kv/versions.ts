import type { Call, Reply } from '../backend.ts';
import { badRequest, nothingHere } from '../errors.ts';
import { deleteMark, type Mark, markVersions } from './data.ts';
import { findMetadata, isDeleted, removeValue } from './metadata.ts';
import { pathOf } from './secret-place.ts';

/** `delete`, `undelete` and `destroy` of named versions. A version that is not there is passed over, as in Vault. */

export function deleteVersions(call: Call): Reply {
  return change(call, deleteMark(call.now));
}

export function undeleteVersions(call: Call): Reply {
  return change(call, (version) =>
    version.destroyed || !isDeleted(version, call.now) ? version : { ...version, deletedAt: 0 },
  );
}

export function destroyVersions(call: Call): Reply {
  const reply = change(call, ({ prints: _gone, ...version }) => ({ ...version, destroyed: true }));
  for (const version of versionsOf(call)) removeValue(call.store, pathOf(call), version);
  return reply;
}

function change(call: Call, mark: Mark): Reply {
  const versions = versionsOf(call);
  const metadata = findMetadata(call.store, pathOf(call));
  if (metadata === undefined) throw nothingHere();
  markVersions(call, metadata, versions, mark);
  return {};
}

function versionsOf(call: Call): readonly number[] {
  const versions = call.fields.list('versions').map(Number);
  if (versions.length === 0) throw badRequest('no version number provided');
  if (!versions.every((version) => Number.isSafeInteger(version) && version > 0))
    throw badRequest('expected version numbers from 1 on');
  return versions;
}
