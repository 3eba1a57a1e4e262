/** The last bytes of what an instance printed. */
export interface Tail {
  add(chunk: Uint8Array): void;
  /** ` (it printed: "…")`, or nothing. Goes into reports, so secrets must have been masked before, by who adds. */
  quoted(): string;
}

const maxBytes = 400;

export function createTail(): Tail {
  let kept = Buffer.alloc(0);
  return {
    add(chunk) {
      kept = Buffer.concat([kept, chunk.subarray(-maxBytes)]).subarray(-maxBytes);
    },
    quoted() {
      const text = kept
        .toString('utf8')
        .replace(/[^\x20-\x7e]+/g, ' ')
        .trim();
      return text === '' ? '' : ` (it printed: ${JSON.stringify(text)})`;
    },
  };
}
