import { fromUtf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { compareEncodings, tagName, tags } from './tags.ts';

/** One element of a DER document (X.690): its identifier byte, its bytes, and what is inside. */
export interface DerNode {
  /** The identifier byte: class, constructed bit and number. */
  readonly tag: number;
  /** Where the element begins, in bytes from the beginning of the document. */
  readonly offset: number;
  /** The whole element. A view of the document: copy before it outlives it. */
  readonly bytes: Uint8Array;
  /** The element without identifier and length. A view as well. */
  readonly content: Uint8Array;
  /** The elements of a constructed one; empty for a primitive one. */
  readonly children: readonly DerNode[];
}

export interface DerLimits {
  /** Upper bound of the document in bytes; 64 KiB when absent. */
  readonly maxBytes?: number;
}

const defaultMaxBytes = 65_536;
const maxDepth = 32;
/** Two bytes can be an element: this bound, and not the size, is what stops a document of empty sequences. */
const maxNodes = 10_000;

/**
 * Reads exactly one DER element with everything in it. Refused with Fault `invalid`, which names the offset:
 * indefinite and non-minimal lengths, tags above 30, non-minimal integers, booleans but 00 and FF, unsorted sets,
 * constructed strings, padding bits that are set, more than 32 levels or 10,000 elements, bytes behind the end. One
 * value has one spelling, so that a signature over the bytes is one over the value.
 */
export function parseDer(document: Uint8Array, limits: DerLimits = {}): DerNode {
  const maxBytes = limits.maxBytes ?? defaultMaxBytes;
  if (document.length > maxBytes) throw derFault(0, `at most ${maxBytes} bytes`, `${document.length} bytes`);
  const reader = new Reader(document);
  const node = reader.element(0, document.length, 1);
  if (node.bytes.length !== document.length) {
    throw derFault(node.bytes.length, 'the end', `${document.length - node.bytes.length} more bytes`);
  }
  return node;
}

/** A Fault about the element at `offset`. */
export function derFault(offset: number, expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'formats.der',
    `expected ${expected} at byte ${offset} of the DER, got ${got}`,
    {
      details: { offset },
    },
  );
}

class Reader {
  readonly #document: Uint8Array;
  #nodes = 0;

  constructor(document: Uint8Array) {
    this.#document = document;
  }

  /** Reads the element at `start`, which must end at or before `end`. */
  element(start: number, end: number, depth: number): DerNode {
    if (depth > maxDepth) throw derFault(start, `at most ${maxDepth} levels`, 'more');
    if (++this.#nodes > maxNodes) throw derFault(start, `at most ${maxNodes} elements`, 'more');
    const tag = this.#byte(start, end);
    if ((tag & 0x1f) === 0x1f) throw derFault(start, 'a tag number below 31', 'a longer one');
    const { length, from } = this.#length(start + 1, end);
    const to = from + length;
    const constructed = (tag & 0x20) !== 0;
    checkForm(tag, constructed, start);
    const content = this.#document.subarray(from, to);
    const children = constructed ? this.#children(from, to, depth) : [];
    if (constructed) {
      if (tag === tags.set) checkSorted(children);
    } else {
      checkPrimitive(tag, content, start);
    }
    return { tag, offset: start, bytes: this.#document.subarray(start, to), content, children };
  }

  #children(from: number, to: number, depth: number): readonly DerNode[] {
    const children: DerNode[] = [];
    for (let at = from; at < to; ) {
      const child = this.element(at, to, depth + 1);
      children.push(child);
      at += child.bytes.length;
    }
    return children;
  }

  #length(at: number, end: number): { readonly length: number; readonly from: number } {
    const first = this.#byte(at, end);
    if (first < 0x80) return this.#within(first, at + 1, at, end);
    if (first === 0x80) throw derFault(at, 'a definite length', 'an indefinite one');
    const count = first & 0x7f;
    if (count > 4) throw derFault(at, 'a length of at most 4 bytes', `${count} bytes`);
    let length = 0;
    for (let i = 1; i <= count; i++) length = length * 256 + this.#byte(at + i, end);
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw derFault(at, 'a length in its shortest form', 'a longer one');
    }
    return this.#within(length, at + 1 + count, at, end);
  }

  #within(length: number, from: number, at: number, end: number) {
    if (length > end - from) {
      throw derFault(at, `a length of at most ${end - from}`, String(length));
    }
    return { length, from };
  }

  #byte(at: number, end: number): number {
    const byte = at < end ? this.#document[at] : undefined;
    if (byte === undefined) throw derFault(at, 'another byte', 'the end');
    return byte;
  }
}

/** X.690 sections 8.9 to 8.12 and 10.2: sequences and sets are constructed, everything else of the universal class is not. */
function checkForm(tag: number, constructed: boolean, offset: number): void {
  if (tag >= 0x40) return;
  const number = tag & 0x1f;
  if (number === 0) throw derFault(offset, 'a tag', 'the end-of-contents mark');
  const mustBe = number === 16 || number === 17 || number === 8 || number === 11;
  if (constructed !== mustBe) {
    throw derFault(offset, `a ${mustBe ? 'constructed' : 'primitive'} ${tagName(number)}`, 'the other form');
  }
}

function checkPrimitive(tag: number, content: Uint8Array, offset: number): void {
  const [first, second] = content;
  switch (tag) {
    case tags.boolean:
      if (content.length !== 1 || (first !== 0 && first !== 0xff)) {
        throw derFault(offset, 'a boolean of one byte 00 or ff', 'another');
      }
      return;
    case tags.integer:
    case tags.enumerated:
      if (first === undefined) throw derFault(offset, 'an integer of at least one byte', 'none');
      if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
        throw derFault(offset, 'an integer in its shortest form', 'a longer one');
      }
      return;
    case tags.null:
      if (content.length !== 0) throw derFault(offset, 'a null without content', `${content.length} bytes`);
      return;
    case tags.bitString:
      checkBits(content, offset);
      return;
    case tags.oid:
      checkOid(content, offset);
      return;
    case tags.utf8String:
      fromUtf8(content);
      return;
    default:
      return;
  }
}

function checkBits(content: Uint8Array, offset: number): void {
  const [unused, ...rest] = [content[0], content.length > 1 ? content.at(-1) : undefined];
  const last = rest[0];
  if (unused === undefined || unused > 7 || (last === undefined && unused !== 0)) {
    throw derFault(offset, 'a bit string with 0 to 7 unused bits', 'another');
  }
  if (last !== undefined && (last & ((1 << unused) - 1)) !== 0) {
    throw derFault(offset, 'unused bits that are zero', 'others');
  }
}

function checkOid(content: Uint8Array, offset: number): void {
  const last = content.at(-1);
  if (last === undefined || last >= 0x80)
    throw derFault(offset, 'a whole object identifier', 'a part of one');
  let begins = true;
  for (const byte of content) {
    if (begins && byte === 0x80) throw derFault(offset, 'an object identifier without padding', 'padding');
    begins = byte < 0x80;
  }
}

function checkSorted(children: readonly DerNode[]): void {
  let before: DerNode | undefined;
  for (const child of children) {
    if (before !== undefined && compareEncodings(before.bytes, child.bytes) > 0) {
      throw derFault(child.offset, 'a set in ascending order', 'another order');
    }
    before = child;
  }
}
