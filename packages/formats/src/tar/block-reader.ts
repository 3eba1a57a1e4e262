import { concatBytes } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';

/** Reads exact numbers of bytes from chunks of any size, holding at most one chunk and what was asked for. */
export class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly `sizeBytes` bytes; an archive that ends before is refused. */
  async exactly(sizeBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.upTo(sizeBytes)) parts.push(part);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : concatBytes(...parts);
  }

  /** `sizeBytes` bytes as they come. */
  async *upTo(sizeBytes: number): AsyncGenerator<Uint8Array> {
    let missing = sizeBytes;
    while (missing > 0) {
      if (this.#chunk.length === 0 && !(await this.#fill())) {
        throw new Fault(
          'invalid',
          'formats.tar_truncated',
          `expected ${missing} more bytes of the archive, got its end`,
        );
      }
      const part = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(part.length);
      missing -= part.length;
      yield part;
    }
  }

  /** The next chunk, or undefined at the end of the source. */
  async rest(): Promise<Uint8Array | undefined> {
    if (this.#chunk.length === 0 && !(await this.#fill())) return undefined;
    const rest = this.#chunk;
    this.#chunk = new Uint8Array();
    return rest;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      if (next.value.length > 0) {
        this.#chunk = next.value;
        return true;
      }
    }
  }
}
