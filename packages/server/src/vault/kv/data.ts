import { RawJson } from '../audit/json-walk.ts';
import type { Call, Reply } from '../backend.ts';
import { judgeValues } from '../environments/duplicates.ts';
import { fingerprintsOf, type Prints } from '../environments/fingerprints.ts';
import { badRequest, nothingHere } from '../errors.ts';
import { isObject } from '../fields.ts';
import { sighted } from '../inventory/readers.ts';
import { writerOf } from '../native/caller.ts';
import { rawMember } from '../raw-member.ts';
import { mergePatch } from './merge-patch.ts';
import {
  configOf,
  deletionOf,
  describeVersion,
  findMetadata,
  findValue,
  isDeleted,
  keptVersions,
  putMetadata,
  removeValue,
  type SecretMetadata,
  type VersionMetadata,
} from './metadata.ts';
import { forgetPrints, heldIn, printsText } from './prints.ts';
import { printsMadeAhead } from './prints-ahead.ts';
import { metadataPlace, pathOf, valuePlace } from './secret-place.ts';
import { shownVersion } from './shown.ts';

/** `GET data/:path`: the value of a version; of a version that is gone, a 404 that tells what it was. */
export function readVersion(call: Call): Reply {
  const { version, metadata } = versionOf(call);
  const facts = metadata.versions[version];
  if (facts === undefined) throw nothingHere();
  const gone = facts.destroyed || isDeleted(facts, call.now);
  const found = gone ? undefined : call.store.getStamped(valuePlace(call, version));
  if (found === undefined)
    return { status: 404, data: { data: null, metadata: describeVersion(call, version, metadata) } };
  const { tail, audited } = shownVersion(call, version, metadata, found.stamp);
  const json = enclosed(found.bytes, tail);
  found.bytes.fill(0);
  return { data: new RawJson(json, audited), after: sighted(call, pathOf(call), version) };
}

/** In one buffer, filled at once: `Buffer.concat` of three costs twice as much. */
function enclosed(value: Buffer, tail: Buffer): Buffer {
  const json = Buffer.allocUnsafe(beforeValue.length + value.length + tail.length);
  json.set(beforeValue);
  json.set(value, beforeValue.length);
  json.set(tail, beforeValue.length + value.length);
  return json;
}

const beforeValue = Buffer.from('{"data":');

/** The version that was asked for, the current one when absent or 0. */
export function versionOf(call: Call): { readonly version: number; readonly metadata: SecretMetadata } {
  const metadata = findMetadata(call.store, metadataPlace(call));
  if (metadata === undefined) throw nothingHere();
  const asked = call.request.query['version'] ?? '';
  if (!/^\d{0,9}$/.test(asked)) throw badRequest('expected a whole number as version');
  return { version: Number(asked) || metadata.current, metadata };
}

/** `POST data/:path`: the next version, if `cas` is the current one. */
export function writeVersion(call: Call): Reply {
  const data = rawMember(call.request.bodyBytes, 'data');
  if (data === undefined || !isObject(call.fields.find('data'))) throw badRequest('no data provided');
  // A copy: storing wipes what it stored, and the body belongs to the request.
  return store(call, Buffer.from(data), printsMadeAhead(call.request));
}

/** `PATCH data/:path`: RFC 7396 on the current version. */
export function patchVersion(call: Call): Reply {
  const patch = rawMember(call.request.bodyBytes, 'data');
  if (patch === undefined || !isObject(call.fields.find('data'))) throw badRequest('no data provided');
  const metadata = findMetadata(call.store, pathOf(call));
  const facts = metadata?.versions[metadata.current];
  if (metadata === undefined || facts === undefined) throw nothingHere();
  if (facts.destroyed || isDeleted(facts, call.now)) {
    return { status: 404, data: { data: null, metadata: describeVersion(call, metadata.current, metadata) } };
  }
  const value = findValue(call.store, pathOf(call), metadata.current);
  if (value === undefined) throw nothingHere();
  const patched = mergePatch(value, patch);
  value.fill(0);
  return store(call, patched);
}

/** `DELETE data/:path`: the current version, which can be undeleted. */
export function deleteCurrent(call: Call): Reply {
  const metadata = findMetadata(call.store, pathOf(call));
  if (metadata !== undefined) markVersions(call, metadata, [metadata.current], deleteMark(call.now));
  return {};
}

export type Mark = (version: VersionMetadata) => VersionMetadata;

export function deleteMark(now: number): Mark {
  return (version) =>
    version.destroyed || isDeleted(version, now) ? version : { ...version, deletedAt: now };
}

export function markVersions(
  call: Call,
  metadata: SecretMetadata,
  versions: readonly number[],
  mark: Mark,
): void {
  const marked: Record<string, VersionMetadata> = { ...metadata.versions };
  for (const version of versions) {
    const facts = marked[version];
    if (facts !== undefined) marked[version] = mark(facts);
  }
  forgetPrints(call, pathOf(call), metadata.versions, marked);
  putMetadata(call.store, pathOf(call), { ...metadata, versions: marked, updatedAt: call.now });
}

function store(call: Call, json: Buffer, ahead?: Prints): Reply {
  const path = pathOf(call);
  const config = configOf(call.store);
  const before = findMetadata(call.store, metadataPlace(call));
  checkCas(call, before, config.casRequired || (before?.casRequired ?? false));
  const prints = ahead ?? fingerprintsOf(json, call.core.fingerprintKey);
  const held = heldIn(before?.versions ?? {}, [...prints.keys.keys()]);
  const { refusal, warnings } = judgeValues(call, path, prints, held);
  if (refusal !== undefined) {
    json.fill(0);
    return { refusal };
  }
  const version = (before?.current ?? 0) + 1;
  const base: SecretMetadata = before ?? {
    createdAt: call.now,
    updatedAt: call.now,
    current: 0,
    oldest: 1,
    maxVersions: 0,
    casRequired: false,
    deleteAfter: 0,
    custom: null,
    versions: {},
  };
  const versions: Record<string, VersionMetadata> = {
    ...base.versions,
    [version]: {
      createdAt: call.now,
      deletedAt: deletionOf(base, config, call.now),
      destroyed: false,
      createdBy: writerOf(call.caller),
      ...(prints.keys.size === 0 ? {} : { prints: printsText(prints) }),
    },
  };
  const oldest = Math.max(1, base.oldest, version - keptVersions(base, config) + 1);
  for (let old = base.oldest; old < oldest; old += 1) {
    delete versions[old];
    removeValue(call.store, path, old);
  }
  forgetPrints(call, path, base.versions, versions);
  const metadata = { ...base, updatedAt: call.now, current: version, oldest, versions };
  putMetadata(call.store, metadataPlace(call), metadata);
  call.store.put(valuePlace(call, version), json);
  return { data: describeVersion(call, version, metadata), warnings };
}

function checkCas(call: Call, metadata: SecretMetadata | undefined, required: boolean): void {
  const options = call.fields.object('options') ?? {};
  const cas = options['cas'];
  if (cas === undefined || cas === null) {
    if (required) throw badRequest('check-and-set parameter required for this call');
    return;
  }
  const wanted = typeof cas === 'string' && /^\d{1,9}$/.test(cas) ? Number(cas) : cas;
  if (typeof wanted !== 'number' || !Number.isSafeInteger(wanted))
    throw badRequest('error parsing check-and-set parameter');
  if (wanted !== (metadata?.current ?? 0))
    throw badRequest('check-and-set parameter did not match the current version');
}
