import type { Call, Reply } from '../backend.ts';
import { parseDuration } from '../duration.ts';
import { badRequest, nothingHere } from '../errors.ts';
import { isObject, type JsonObject } from '../fields.ts';
import { versionOf } from './data.ts';
import {
  configOf,
  describeVersion,
  durationText,
  findMetadata,
  findValue,
  isDeleted,
  metadataDirectory,
  newMetadata,
  putConfig,
  putMetadata,
  removeValue,
  type SecretMetadata,
  timeText,
} from './metadata.ts';
import { forgetPrints } from './prints.ts';
import { pathOf } from './secret-place.ts';

/** `metadata/:path`, `subkeys/:path` and `config`. */

const maxCustomKeys = 64;
const maxCustomKeyLength = 128;
const maxCustomValueLength = 512;

export function listKeys(call: Call): Reply {
  const path = call.params['path'] ?? '';
  const keys = call.store.list(`${metadataDirectory}${path === '' ? '' : `${path}/`}`);
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

export function readMetadata(call: Call): Reply {
  const metadata = findMetadata(call.store, pathOf(call));
  if (metadata === undefined) throw nothingHere();
  return { data: describeMetadata(metadata) };
}

function describeMetadata(metadata: SecretMetadata): JsonObject {
  return {
    cas_required: metadata.casRequired,
    created_time: timeText(metadata.createdAt),
    current_version: metadata.current,
    custom_metadata: metadata.custom,
    delete_version_after: durationText(metadata.deleteAfter),
    ...(metadata.expected === undefined ? {} : { expected_keys: metadata.expected }),
    max_versions: metadata.maxVersions,
    oldest_version: metadata.current === 0 ? 0 : metadata.oldest,
    updated_time: timeText(metadata.updatedAt),
    versions: Object.fromEntries(
      Object.entries(metadata.versions).map(([number, version]) => [
        number,
        {
          created_time: timeText(version.createdAt),
          deletion_time: timeText(version.deletedAt),
          destroyed: version.destroyed,
        },
      ]),
    ),
  };
}

export function writeMetadata(call: Call): Reply {
  const before = findMetadata(call.store, pathOf(call));
  put(call, before ?? newMetadata(call.now), customOf(call.fields.find('custom_metadata')));
  return {};
}

/** As a write, but a custom key that is null goes, and one that is not named stays. */
export function patchMetadata(call: Call): Reply {
  const before = findMetadata(call.store, pathOf(call));
  if (before === undefined) throw nothingHere();
  const patch = call.fields.object('custom_metadata');
  if (patch === undefined) {
    put(call, before, undefined);
    return {};
  }
  const merged = Object.fromEntries(
    Object.entries({ ...before.custom, ...patch }).filter(([, value]) => value !== null),
  );
  put(call, before, customOf(merged));
  return {};
}

export function deleteMetadata(call: Call): Reply {
  const path = pathOf(call);
  const metadata = findMetadata(call.store, path);
  if (metadata === undefined) return {};
  for (const version of Object.keys(metadata.versions)) removeValue(call.store, path, Number(version));
  forgetPrints(call, path, metadata.versions, {});
  call.store.delete(metadataDirectory + path);
  return {};
}

/** `subkeys`: which keys a version has, with null for every value. */
export function readSubkeys(call: Call): Reply {
  const { version, metadata } = versionOf(call);
  const facts = metadata.versions[version];
  if (facts === undefined) throw nothingHere();
  const described = describeVersion(call, version, metadata);
  const value =
    facts.destroyed || isDeleted(facts, call.now) ? undefined : findValue(call.store, pathOf(call), version);
  if (value === undefined) return { status: 404, data: { subkeys: null, metadata: described } };
  const depth = Number(call.request.query['depth'] ?? 0);
  if (!Number.isSafeInteger(depth) || depth < 0) throw badRequest('expected a depth from 0 on');
  const subkeys = withoutValues(JSON.parse(value.toString('utf8')), depth === 0 ? 64 : depth);
  value.fill(0);
  return { data: { subkeys, metadata: described } };
}

function withoutValues(value: unknown, depth: number): unknown {
  if (depth === 0 || !isObject(value) || Object.keys(value).length === 0) return null;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, withoutValues(each, depth - 1)]),
  );
}

export function readConfig(call: Call): Reply {
  const config = configOf(call.store);
  return {
    data: {
      cas_required: config.casRequired,
      delete_version_after: durationText(config.deleteAfter),
      max_versions: config.maxVersions,
    },
  };
}

export function writeConfig(call: Call): Reply {
  const before = configOf(call.store);
  putConfig(call.store, {
    maxVersions: count(call, before.maxVersions),
    casRequired: call.fields.boolean('cas_required', before.casRequired),
    deleteAfter: deleteAfter(call.fields.find('delete_version_after'), before.deleteAfter),
  });
  return {};
}

function put(call: Call, before: SecretMetadata, custom: SecretMetadata['custom'] | undefined): void {
  putMetadata(call.store, pathOf(call), {
    ...before,
    updatedAt: call.now,
    maxVersions: count(call, before.maxVersions),
    casRequired: call.fields.boolean('cas_required', before.casRequired),
    deleteAfter: deleteAfter(call.fields.find('delete_version_after'), before.deleteAfter),
    ...(custom === undefined ? {} : { custom }),
  });
}

function count(call: Call, absent: number): number {
  const versions = call.fields.integer('max_versions', absent);
  if (versions < 0 || versions > 10_000) throw badRequest('expected max_versions from 0 to 10000');
  return versions;
}

/** Negative durations switch the mount's setting off for one secret. */
function deleteAfter(value: unknown, absent: number): number {
  if (value === undefined || value === null) return absent;
  if (typeof value === 'string' && value.startsWith('-'))
    return -parseDuration(value.slice(1), 'delete_version_after');
  return parseDuration(value, 'delete_version_after');
}

function customOf(value: unknown): Readonly<Record<string, string>> | null | undefined {
  if (value === undefined) return undefined;
  if (value === null) return null;
  if (!isObject(value)) throw badRequest('expected custom_metadata as an object of texts');
  const entries = Object.entries(value);
  if (entries.length > maxCustomKeys)
    throw badRequest(`expected at most ${maxCustomKeys} custom_metadata keys`);
  return Object.fromEntries(
    entries.map(([key, each]) => {
      if (typeof each !== 'string')
        throw badRequest(`expected a text in custom_metadata ${JSON.stringify(key)}`);
      if (key.length === 0 || key.length > maxCustomKeyLength || each.length > maxCustomValueLength)
        throw badRequest(
          `expected custom_metadata keys of at most ${maxCustomKeyLength} and values of at most ${maxCustomValueLength} characters`,
        );
      return [key, each];
    }),
  );
}
