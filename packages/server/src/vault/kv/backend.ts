import type { Backend, Call } from '../backend.ts';
import { deleteCurrent, patchVersion, readVersion, writeVersion } from './data.ts';
import {
  deleteMetadata,
  listKeys,
  patchMetadata,
  readConfig,
  readMetadata,
  readSubkeys,
  writeConfig,
  writeMetadata,
} from './keys.ts';
import { findMetadata } from './metadata.ts';
import { makePrintsAhead } from './prints-ahead.ts';
import { metadataPlace } from './secret-place.ts';
import { deleteKey, hasKey, listV1, readKey, writeKey } from './v1.ts';
import { deleteVersions, destroyVersions, undeleteVersions } from './versions.ts';

const secretExists = (call: Call): boolean =>
  call.params['path'] !== '' && findMetadata(call.store, metadataPlace(call)) !== undefined;

const metadataFields = {
  max_versions: { type: 'integer', doc: 'How many versions are kept; 0 is what the mount says.' },
  cas_required: {
    type: 'boolean',
    doc: 'Whether every write must say which version it believes to be current.',
  },
  delete_version_after: { type: 'duration', doc: 'After which time a version deletes itself.' },
} as const;

/** Versioned secrets: the engine behind `secret/`. */
export const kvV2Backend: Backend = {
  type: 'kv',
  description: 'Keeps secrets, with their former versions.',
  paths: [
    {
      pattern: 'config',
      synopsis: 'What holds for every secret of this mount.',
      fields: metadataFields,
      on: { read: readConfig, update: writeConfig },
    },
    {
      pattern: 'data/:path*',
      synopsis: 'Reads, writes, patches and deletes the current version of a secret.',
      fields: {
        data: { type: 'object', doc: 'The secret: names and values.' },
        options: { type: 'object', doc: '`cas`: the version that must be current, 0 for none.' },
      },
      ahead: makePrintsAhead,
      exists: secretExists,
      on: { read: readVersion, update: writeVersion, patch: patchVersion, delete: deleteCurrent },
    },
    {
      pattern: 'metadata/:path*',
      synopsis: 'What is known of a secret beside its values; lists what is below a path.',
      fields: {
        ...metadataFields,
        custom_metadata: { type: 'map', doc: 'Texts that belong to the secret.' },
      },
      exists: secretExists,
      on: {
        read: readMetadata,
        update: writeMetadata,
        patch: patchMetadata,
        delete: deleteMetadata,
        list: listKeys,
      },
    },
    {
      pattern: 'subkeys/:path*',
      synopsis: 'The names in a secret, without its values.',
      on: { read: readSubkeys },
    },
    {
      pattern: 'delete/:path*',
      synopsis: 'Deletes versions; they can be undeleted.',
      fields: { versions: { type: 'list', doc: 'Numbers of versions.' } },
      on: { update: deleteVersions },
    },
    {
      pattern: 'undelete/:path*',
      synopsis: 'Brings deleted versions back.',
      fields: { versions: { type: 'list', doc: 'Numbers of versions.' } },
      on: { update: undeleteVersions },
    },
    {
      pattern: 'destroy/:path*',
      synopsis: 'Removes the values of versions for good.',
      fields: { versions: { type: 'list', doc: 'Numbers of versions.' } },
      on: { update: destroyVersions },
    },
  ],
};

/** Secrets without versions: a write replaces, a delete is for good. */
export const kvV1Backend: Backend = {
  type: 'kv',
  description: 'Keeps secrets, only the last value of each.',
  paths: [
    {
      pattern: ':path*',
      synopsis: 'Reads, writes, deletes and lists secrets.',
      exists: hasKey,
      on: { read: readKey, update: writeKey, delete: deleteKey, list: listV1 },
    },
  ],
};
