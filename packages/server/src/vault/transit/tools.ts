import { createHash } from 'node:crypto';
import type { Random } from '#platform';
import { type Answer, answer } from './batch.ts';
import { refused } from './faults.ts';
import { type Fields, readBytes, readText, readWhole } from './fields.ts';
import { requireHash } from './hashes.ts';

/** As much as Vault gives in one answer. */
const maxRandomBytes = 128 * 1024;
const sources: ReadonlySet<string> = new Set(['platform', 'seal', 'all']);

/** `POST random[/:source][/:bytes]` and `sys/tools/random`. One segment may be either; the body fills in the rest. */
export function randomRequest(random: Random, body: Fields, segments: readonly string[]): Answer {
  const [first, second] = segments;
  const sourceInPath = first !== undefined && !/^[0-9]+$/.test(first) ? first : undefined;
  const bytesInPath = second ?? (sourceInPath === undefined ? first : undefined);
  const source = sourceInPath ?? (readText(body, 'source') || 'platform');
  if (!sources.has(source)) throw refused('source', 'expected a source of "platform", "seal" or "all"');
  const count = (bytesInPath && readWhole({ bytes: bytesInPath }, 'bytes')) || readWhole(body, 'bytes');
  const sizeBytes = bytesInPath === undefined && count === undefined ? 32 : (count ?? 0);
  if (sizeBytes < 1 || sizeBytes > maxRandomBytes) {
    throw refused('bytes', `expected bytes from 1 to ${maxRandomBytes}, got ${sizeBytes}`);
  }
  const format = readFormat(body, 'base64');
  const warnings = source === 'platform' ? [] : ['the seal has no source of its own: the platform was asked'];
  return answer({ random_bytes: Buffer.from(random.bytes(sizeBytes)).toString(format) }, warnings);
}

/** `POST hash[/:algorithm]` and `sys/tools/hash`. */
export function hashRequest(body: Fields, hashInPath?: string): Answer {
  const input = readBytes(body, 'input');
  if (input === undefined) throw refused('input', 'missing input to hash');
  const hash = requireHash({ algorithm: body['algorithm'] }, hashInPath);
  const format = readFormat(body, 'hex');
  return answer({ sum: createHash(hash.openssl).update(input).digest(format) });
}

function readFormat(body: Fields, otherwise: 'hex' | 'base64'): 'hex' | 'base64' {
  const format = readText(body, 'format') || otherwise;
  if (format === 'hex' || format === 'base64') return format;
  throw refused('format', 'unsupported encoding format; must be "hex" or "base64"');
}
