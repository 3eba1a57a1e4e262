import { Fault } from '@sallyport/formats';

const maxPathBytes = 2048;
const maxSegmentLength = 512;
const maxSegments = 64;
// Controls, the backslash some clients turn into a slash, and characters that show as nothing or turn text around:
// two paths that look the same to whoever reads a policy must be the same.
const forbidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\\]/u;

/**
 * The path below `/v1/` as the client meant it. Decoded once and by segment: an encoded slash would be one thing to a
 * proxy's rules and another to our policies, and so would `..` and `//`; they are refused, never cleaned.
 */
export function parsePath(raw: string): { readonly path: string; readonly listing: boolean } {
  if (raw.length > maxPathBytes) throw refused(`at most ${maxPathBytes} bytes`, `${raw.length}`);
  const listing = raw.endsWith('/');
  const whole = listing ? raw.slice(0, -1) : raw;
  if (whole === '') throw refused('a path after /v1/', 'none');
  if (plain.test(whole) && !dotted.test(whole)) return { path: whole, listing };
  const segments = whole.split('/');
  if (segments.length > maxSegments) throw refused(`at most ${maxSegments} segments`, `${segments.length}`);
  return { path: segments.map(decodeSegment).join('/'), listing };
}

/** What nearly every path is made of; no two slashes in a row. */
const plain = /^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+){0,63}$/;
const dotted = /(?:^|\/)\.\.?(?:\/|$)|[^/]{513}/;

function decodeSegment(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw refused('a path in UTF-8', 'other bytes');
  }
  if (text === '') throw refused('segments that are not empty', '"//"');
  if (text === '.' || text === '..') throw refused('a path without relative segments', JSON.stringify(text));
  if (text.includes('/')) throw refused('slashes that are not encoded', '"%2F"');
  if (text.length > maxSegmentLength)
    throw refused(`segments of at most ${maxSegmentLength} characters`, `${text.length}`);
  if (forbidden.test(text)) throw refused('a path without control and invisible characters', 'one with');
  // An accent apart from its letter looks like the two as one.
  if (text !== text.normalize('NFC')) throw refused('a path in Unicode form NFC', 'another form');
  return text;
}

function refused(expected: string, got: string): Fault {
  return new Fault('invalid', 'vault.path', `expected ${expected}, got ${got}`);
}
