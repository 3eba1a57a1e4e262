import type { FileHandle } from 'node:fs/promises';

const readBytes = 256 * 1024;
const batchBytes = 1024 * 1024;

/**
 * The same bytes in larger pieces: what comes from a socket is small, and each write costs a visit to another thread.
 * What came before a body breaks off is given as well.
 */
export async function* batched(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let broken: { readonly error: unknown } | undefined;
  try {
    for await (const part of body) {
      parts.push(part);
      size += part.length;
      if (size < batchBytes) continue;
      yield joined(parts);
      parts = [];
      size = 0;
    }
  } catch (error) {
    broken = { error };
  }
  if (size > 0) yield joined(parts);
  if (broken !== undefined) throw broken.error;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

/** From `start` to `end`, both included; less where the file ends before. */
export async function* readRange(handle: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at <= end; ) {
    const buffer = new Uint8Array(Math.min(readBytes, end - at + 1));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
