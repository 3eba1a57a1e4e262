import { createHash } from 'node:crypto';
import { concatBytes, Fault, toHex, utf8 } from '@sallyport/formats';

export interface Person {
  readonly name: string;
  readonly email: string;
  readonly epochSeconds: number;
}

export interface Commit {
  readonly id: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Person;
  readonly committer: Person;
  /** The first line of the message, at most 200 characters. */
  readonly subject: string;
  /** The armoured signature as it stands in the object, with what it was made over. */
  readonly signed?: SignedObject;
}

export interface Tag {
  readonly id: string;
  readonly target: string;
  readonly targetType: string;
  readonly tagger?: Person;
  readonly signed?: SignedObject;
}

export interface SignedObject {
  readonly signature: string;
  readonly payload: Uint8Array;
}

/** Reads a raw commit object; refuses one whose bytes are not the ones that `id` names. */
export function parseCommit(raw: Uint8Array, id: string): Commit {
  const { headers, message } = split(raw, 'commit', id);
  const tree = one(headers, 'tree', id);
  const signatures = headers.filter(({ name }) => name === 'gpgsig' || name === 'gpgsig-sha256');
  const [signature] = signatures;
  // Two signatures are two opinions on what was signed: git shows the first and verifies with either removed.
  if (signatures.length > 1) throw malformed(id, 'more than one signature');
  return {
    id,
    tree,
    parents: headers.filter(({ name }) => name === 'parent').map(({ value }) => value),
    author: person(one(headers, 'author', id), id),
    committer: person(one(headers, 'committer', id), id),
    subject: text(message).split('\n', 1)[0]?.slice(0, 200) ?? '',
    ...(signature === undefined
      ? {}
      : {
          signed: {
            signature: signature.value,
            payload: concatBytes(raw.subarray(0, signature.start), raw.subarray(signature.end)),
          },
        }),
  };
}

/** Reads a raw annotated tag, whose signature stands at the end of its message. */
export function parseTag(raw: Uint8Array, id: string): Tag {
  const { headers, message } = split(raw, 'tag', id);
  const tagger = headers.find(({ name }) => name === 'tagger');
  // Latin-1 keeps one character per byte, so that positions in the text are positions in the bytes.
  const latin = Buffer.from(message).toString('latin1');
  const begin = /(?:^|\n)(-----BEGIN (?:SSH|PGP) SIGNATURE-----\n)/.exec(latin);
  const start = begin === null ? undefined : begin.index + begin[0].length - (begin[1] ?? '').length;
  return {
    id,
    target: one(headers, 'object', id),
    targetType: one(headers, 'type', id),
    ...(tagger === undefined ? {} : { tagger: person(tagger.value, id) }),
    ...(start === undefined
      ? {}
      : {
          signed: {
            signature: latin.slice(start),
            payload: raw.subarray(0, raw.length - message.length + start),
          },
        }),
  };
}

interface Header {
  readonly name: string;
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

function split(
  raw: Uint8Array,
  type: 'commit' | 'tag',
  id: string,
): { headers: Header[]; message: Uint8Array } {
  const hash = createHash(id.length === 64 ? 'sha256' : 'sha1');
  hash.update(utf8(`${type} ${raw.length}\0`)).update(raw);
  if (toHex(hash.digest()) !== id) {
    throw new Fault(
      'integrity',
      'pipeline.object_changed',
      `the bytes of ${type} ${id} are not the ones it names`,
    );
  }
  const headers: Header[] = [];
  let at = 0;
  while (at < raw.length && raw[at] !== newline) {
    const start = at;
    at = lineEnd(raw, at);
    // A line that begins with a space continues the one before; the space is no part of the value.
    const lines = [text(raw.subarray(start, at - 1))];
    while (raw[at] === space) {
      const next = lineEnd(raw, at);
      lines.push(text(raw.subarray(at + 1, next - 1)));
      at = next;
    }
    const [first = ''] = lines;
    const cut = first.indexOf(' ');
    if (cut < 1) throw malformed(id, 'a header without a value');
    lines[0] = first.slice(cut + 1);
    headers.push({ name: first.slice(0, cut), value: lines.join('\n'), start, end: at });
    if (headers.length > 1000) throw malformed(id, 'more than 1000 headers');
  }
  return { headers, message: raw.subarray(Math.min(at + 1, raw.length)) };
}

const newline = 10;
const space = 32;

function lineEnd(raw: Uint8Array, from: number): number {
  const found = raw.indexOf(newline, from);
  return found < 0 ? raw.length + 1 : found + 1;
}

function one(headers: readonly Header[], name: string, id: string): string {
  const [first, second] = headers.filter((header) => header.name === name);
  if (first === undefined || second !== undefined) throw malformed(id, `not exactly one header "${name}"`);
  return first.value;
}

function person(value: string, id: string): Person {
  const match = /^([^<>\n]*?) ?<([^<>\n]*)> (-?[0-9]{1,15}) [+-][0-9]{4,}$/.exec(value);
  if (match === null) throw malformed(id, 'an author or committer that cannot be read');
  const [, name = '', email = '', epoch = '0'] = match;
  return { name: name.slice(0, 200), email: email.slice(0, 320), epochSeconds: Math.max(0, Number(epoch)) };
}

/** Messages and names may be in any encoding; what is no UTF-8 is shown as such and decides nothing. */
const text = (bytes: Uint8Array): string => new TextDecoder('utf-8').decode(bytes);

const malformed = (id: string, what: string): Fault =>
  new Fault('invalid', 'pipeline.bad_object', `expected a well-formed git object ${id}, got ${what}`);
