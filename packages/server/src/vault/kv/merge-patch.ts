import { badRequest } from '../errors.ts';

/**
 * RFC 7396, keeping every number as it is written: `JSON.parse` alone would round those of more than 15 digits. The
 * result is what the version stores; both inputs stay the caller's.
 */
export function mergePatch(target: Buffer, patch: Buffer): Buffer {
  const merged = merge(parse(target), parse(patch));
  if (merged === null || typeof merged !== 'object' || Array.isArray(merged))
    throw badRequest('no data provided');
  return Buffer.from(JSON.stringify(merged));
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'), keepNumbers);
}

// TypeScript's library does not know the third argument and rawJSON (ES2026) yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function keepNumbers(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  return typeof value === 'number' && source !== undefined && String(value) !== source
    ? rawJSON(source)
    : value;
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return patch;
  const merged: Record<string, unknown> = Object.assign(Object.create(null), isPlain(target) ? target : {});
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  const isRaw = (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON(value);
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRaw;
}
