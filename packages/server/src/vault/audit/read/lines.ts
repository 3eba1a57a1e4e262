/** A line that is too long to be one of ours: only its size is known. */
export interface LongLine {
  readonly tooLongBytes: number;
}

/**
 * Cuts a stream of bytes into lines, without their newline; empty ones are left out. A line above `maxBytes` is passed
 * over in constant memory, and told as its size. The last one may lack its newline: a writer may be in the middle of it.
 */
export async function* auditLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer | LongLine, void, void> {
  let pieces: Buffer[] = [];
  let size = 0;

  function take(): Buffer | LongLine | undefined {
    const line =
      size > maxBytes ? { tooLongBytes: size } : pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    const empty = size === 0;
    pieces = [];
    size = 0;
    return empty ? undefined : line;
  }

  function add(piece: Buffer): void {
    size += piece.length;
    if (size > maxBytes) pieces = [];
    else if (piece.length > 0) pieces.push(piece);
  }

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      add(chunk.subarray(start, end));
      const line = take();
      if (line !== undefined) yield line;
      start = end + 1;
    }
    // A copy: who reads a file may use the same buffer for the next chunk.
    if (start < chunk.length) add(Buffer.from(chunk.subarray(start)));
  }
  const line = take();
  if (line !== undefined) yield line;
}
