import { createHmac, type KeyObject } from 'node:crypto';
import { scanJson } from '../audit/json-scan.ts';
import type { JsonSink } from '../audit/json-sink.ts';
import { accountMark, createAccountFinder } from './accounts.ts';
import { mayBeCredential } from './credential-value.ts';

/**
 * What stands for a value: 128 bits of HMAC-SHA-256 under a key of the installation, as 22 characters of base64url. One that
 * begins with `accountMark` stands for an account instead; see accounts.ts.
 */
export type Print = string;

export const printLength = 22;
const printBytes = 16;

/** Bounds the work and the records of one write. */
export const maxPrints = 256;
const maxKeyLength = 128;
const maxKeyDepth = 32;

export interface Prints {
  /** Each once, with the key it was found under first, such as `database.password`. */
  readonly keys: ReadonlyMap<Print, string>;
  /** There were more than `maxPrints` values that may be credentials; only so many were looked at. */
  readonly more: boolean;
}

/**
 * The fingerprints of all values in the JSON document that may be credentials, at any depth. Spaces around a value do not
 * count: a file with a newline at its end holds the same password. A number and the text of its digits are one value.
 * The document is what the strict parser took; its values are read from the bytes and never become texts.
 */
export function fingerprintsOf(json: Buffer, key: KeyObject): Prints {
  const keys = new Map<Print, string>();
  let more = false;
  let values = 0;
  const names: string[] = [];
  let name = '';

  const accounts = createAccountFinder(key, (print, found) => {
    if (keys.size < 2 * maxPrints && !keys.has(print)) keys.set(print, pathOf(names, found));
  });

  function take(bytes: Uint8Array, from: number, to: number): void {
    let [start, end] = [from, to];
    while (start < end && isSpace(bytes[start])) start += 1;
    while (end > start && isSpace(bytes[end - 1])) end -= 1;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    accounts.see(name, buffer, start, end);
    if (!mayBeCredential(name, buffer, start, end)) return;
    if (values >= maxPrints) {
      more = true;
      return;
    }
    values += 1;
    const print = fingerprintOf(buffer.subarray(start, end), key);
    if (!keys.has(print)) keys.set(print, pathOf(names, name));
  }

  const sink: JsonSink = {
    beginObject: () => {
      names.push(name);
      accounts.begin();
    },
    endObject: () => {
      accounts.end();
      name = names.pop() ?? '';
    },
    beginArray: () => void names.push(name),
    endArray: () => {
      name = names.pop() ?? '';
    },
    key(next) {
      name = next;
    },
    // Only `walkJson` tells texts; a document gives bytes.
    text: () => undefined,
    textBytes: take,
    // A fraction or a power of ten is a measure.
    number: () => undefined,
    numberBytes: take,
    literal: () => undefined,
  };
  scanJson(json, sink);
  return { keys, more };
}

export function fingerprintOf(value: Uint8Array, key: KeyObject): Print {
  return createHmac('sha256', key).update(value).digest().toString('base64url', 0, printBytes);
}

/** Names of members are not secret; long ones are cut, so that a record of them stays small. */
function pathOf(names: readonly string[], name: string): string {
  const path = [...names.slice(0, maxKeyDepth), name].filter((each) => each !== '');
  return path
    .filter((each, index) => each !== path[index - 1])
    .join('.')
    .slice(0, maxKeyLength);
}

function isSpace(code: number | undefined): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Accounts are compared to be told about; only values are judged when they are written. */
export function isAccount(print: Print): boolean {
  return print.startsWith(accountMark);
}
