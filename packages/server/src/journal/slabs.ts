/**
 * Many small byte strings outside of the JavaScript heap, each behind a number. A string or a Buffer for each would take
 * 60 bytes more, and the garbage collector would look at every one of them again and again.
 *
 * Bytes are only ever appended, to slabs of a quarter of a megabyte, and never change where they lie: what was replaced
 * or removed leaves a hole. When holes are more than an eighth of what is held, the emptiest slabs are copied on and
 * dropped.
 */
export interface Slabs {
  /** Copies the bytes in; gives their number, which may have been that of removed ones. */
  add(bytes: Uint8Array): number;
  replace(number: number, bytes: Uint8Array): void;
  remove(number: number): void;
  /** A view of the bytes. It stays as it is whatever happens to the number, and keeps its slab in memory while held. */
  get(number: number): Buffer;
  /** What all slabs take, holes included. */
  readonly sizeBytes: number;
}

interface Slab {
  readonly bytes: Buffer;
  /** The same memory, for what stands before the bytes. */
  readonly words: Uint32Array;
  /** Where the next entry goes. */
  end: number;
  /** Bytes of entries that are no holes. */
  heldBytes: number;
}

export const slabBytes = 256 * 1024;
/** What is larger has a slab of its own, so that the room left at the end of a slab is little. */
const largestSharedBytes = slabBytes / 16;
/** An entry is the number it belongs to and its size, four bytes each, then the bytes, up to a multiple of four. */
const wordBytes = 4;
const headWords = 2;
/** The slab of a number that has no bytes. */
const none = 0xffffffff;

export function createSlabs(): Slabs {
  /** By index; that of a dropped slab is used again. */
  const slabs: Array<Slab | undefined> = [];
  const freeIndexes: number[] = [];
  const freeNumbers: number[] = [];
  /** By number: the index of its slab, and the word in it at which its entry begins. */
  let slabOf = new Uint32Array(256).fill(none);
  let wordOf = new Uint32Array(256);
  let numbers = 0;
  let current = open(slabBytes);
  let capacityBytes = slabBytes;
  let heldBytes = 0;

  function open(sizeBytes: number): number {
    const memory = new ArrayBuffer(sizeBytes);
    const index = freeIndexes.pop() ?? slabs.length;
    slabs[index] = { bytes: Buffer.from(memory), words: new Uint32Array(memory), end: 0, heldBytes: 0 };
    return index;
  }

  function slabAt(index: number): Slab {
    const slab = slabs[index];
    if (slab === undefined) throw new Error('expected a number that has bytes');
    return slab;
  }

  /** The index of the slab that has room for an entry of this size. */
  function roomFor(entryBytes: number): number {
    if (entryBytes > largestSharedBytes) {
      capacityBytes += entryBytes;
      return open(entryBytes);
    }
    if (slabAt(current).end + entryBytes > slabBytes) {
      const full = current;
      current = open(slabBytes);
      capacityBytes += slabBytes;
      dropIfEmpty(full);
    }
    return current;
  }

  function append(number: number, bytes: Uint8Array): void {
    const entryBytes = entryBytesOf(bytes.length);
    const index = roomFor(entryBytes);
    const slab = slabAt(index);
    const word = slab.end / wordBytes;
    slab.words[word] = number;
    slab.words[word + 1] = bytes.length;
    slab.bytes.set(bytes, slab.end + headWords * wordBytes);
    slab.end += entryBytes;
    slab.heldBytes += entryBytes;
    heldBytes += entryBytes;
    slabOf[number] = index;
    wordOf[number] = word;
  }

  /** Makes a hole of the entry at this place. */
  function leave(index: number, word: number): void {
    const slab = slabAt(index);
    const entryBytes = entryBytesOf(slab.words[word + 1] ?? 0);
    slab.heldBytes -= entryBytes;
    heldBytes -= entryBytes;
    if (index !== current) dropIfEmpty(index);
  }

  function dropIfEmpty(index: number): void {
    const slab = slabAt(index);
    if (slab.heldBytes > 0) return;
    capacityBytes -= slab.bytes.length;
    slabs[index] = undefined;
    freeIndexes.push(index);
  }

  function compact(): void {
    // Two slabs of holes are nothing, however little is held.
    while (capacityBytes - heldBytes > heldBytes / 8 + 2 * slabBytes) {
      let emptiest = current;
      let mostBytes = 0;
      for (const [index, slab] of slabs.entries()) {
        const holeBytes = slab === undefined || index === current ? 0 : slab.bytes.length - slab.heldBytes;
        if (holeBytes <= mostBytes) continue;
        emptiest = index;
        mostBytes = holeBytes;
      }
      moveOut(emptiest);
    }
  }

  function moveOut(index: number): void {
    const { bytes, words, end } = slabAt(index);
    for (let word = 0; word * wordBytes < end; ) {
      const [number = 0, size = 0] = [words[word], words[word + 1]];
      if (slabOf[number] === index && wordOf[number] === word) {
        const from = (word + headWords) * wordBytes;
        append(number, bytes.subarray(from, from + size));
        leave(index, word);
      }
      word += entryBytesOf(size) / wordBytes;
    }
  }

  function newNumber(): number {
    if (numbers === slabOf.length) {
      slabOf = longer(slabOf).fill(none, numbers);
      wordOf = longer(wordOf);
    }
    numbers += 1;
    return numbers - 1;
  }

  return {
    add(bytes) {
      const number = freeNumbers.pop() ?? newNumber();
      append(number, bytes);
      return number;
    },
    replace(number, bytes) {
      const [index = none, word = 0] = [slabOf[number], wordOf[number]];
      append(number, bytes);
      leave(index, word);
      compact();
    },
    remove(number) {
      leave(slabOf[number] ?? none, wordOf[number] ?? 0);
      slabOf[number] = none;
      freeNumbers.push(number);
      compact();
    },
    get(number) {
      const { bytes, words } = slabAt(slabOf[number] ?? none);
      const word = wordOf[number] ?? 0;
      const from = (word + headWords) * wordBytes;
      return bytes.subarray(from, from + (words[word + 1] ?? 0));
    },
    get sizeBytes() {
      return capacityBytes;
    },
  };
}

function entryBytesOf(sizeBytes: number): number {
  return (headWords + Math.ceil(sizeBytes / wordBytes)) * wordBytes;
}

function longer(column: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(2 * column.length);
  longer.set(column);
  return longer;
}
