import type { KeyObject } from 'node:crypto';
import type { Turn } from '#journal';
import { scanJson } from '../audit/json-scan.ts';
import { leastBytes } from './credential-value.ts';
import { fingerprintOf } from './fingerprints.ts';
import { hintOf } from './key-names.ts';
import { holdingOf } from './places.ts';
import { isWordLike, outlineOf } from './value-shape.ts';

/** Says of texts that are about to be copied to another environment whether they carry a value there. */
export interface ValueGuard {
  /** Whether free text holds a value of the secret, or is or has a word that is the value of any secret. */
  carries(text: string): boolean;
  /** As `carries`, for the name of a key or a part of a path: a plain word is a name, whatever is called like it. */
  nameCarries(name: string): boolean;
  wipe(): void;
}

/** Shorter values of the same secret are not looked for: every text has an `a`, and every `db` a value somewhere. */
const leastInside = 6;
const maxWords = 200;

/** Against the values of one secret, `json` in all its versions, and the fingerprints of all others. Wipe it. */
export function createValueGuard(turn: Turn, key: KeyObject, versions: readonly Buffer[]): ValueGuard {
  const values = versions.flatMap(valuesIn);

  function isKnown(text: string): boolean {
    const bytes = Buffer.from(text.trim());
    return bytes.length >= leastBytes && holdingOf(turn, fingerprintOf(bytes, key)).size > 0;
  }

  function carries(text: string): boolean {
    const bytes = Buffer.from(text);
    if (values.some((value) => bytes.includes(value))) return true;
    const words = text.split(/[\s,;'"()<>[\]{}]+/);
    // What is too much to look at is not copied.
    return words.length > maxWords || isKnown(text) || words.some(isKnown);
  }

  return {
    carries,
    nameCarries(name) {
      const bytes = Buffer.from(name);
      return !isWordLike(outlineOf(bytes, 0, bytes.length)) && carries(name);
    },
    wipe() {
      for (const value of values) value.fill(0);
    },
  };
}

function valuesIn(json: Buffer): readonly Buffer[] {
  const values: Buffer[] = [];
  let key = '';
  const take = (bytes: Uint8Array, start: number, end: number): void => {
    if (end - start < leastInside) return;
    // A user who is called like the service is no reason to leave out the service's name.
    if (hintOf(key) === 'description' && isWordLike(outlineOf(bytes, start, end))) return;
    values.push(Buffer.from(bytes.subarray(start, end)));
  };
  const nothing = (): void => undefined;
  scanJson(json, {
    beginObject: nothing,
    endObject: nothing,
    beginArray: nothing,
    endArray: nothing,
    key(name) {
      key = name;
    },
    text: nothing,
    textBytes: take,
    number: nothing,
    numberBytes: take,
    literal: nothing,
  });
  return values;
}
