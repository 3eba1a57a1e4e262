import type { Socket } from 'node:net';

export interface OutputBounds {
  /** Bytes passed on; what comes after is counted and dropped. */
  readonly keepBytes: number;
  /** The step is ended here. */
  readonly absoluteBytes: number;
}

export const defaultOutputBounds: OutputBounds = {
  keepBytes: 64 * 1024 * 1024,
  absoluteBytes: 1024 * 1024 * 1024,
};

export interface Output {
  /** Whoever reads slowly slows the step down; nothing is buffered beyond the pipe. Read once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly bytes: () => number;
  readonly truncated: () => boolean;
  /** Settles when the pipe is empty and closed. */
  readonly ended: Promise<void>;
}

/** Reads a step's output: kept up to a bound, then a notice, then only counted, then `tooMuch`. */
export function boundOutput(reader: Socket, bounds: OutputBounds, tooMuch: () => void): Output {
  let bytes = 0;
  let truncated = false;
  let resolveEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    resolveEnded = resolve;
  });
  // 'close' also comes when the reader is destroyed; a pipe read error means the same as its end.
  reader.on('close', () => resolveEnded());
  reader.on('error', () => resolveEnded());

  function count(size: number): void {
    const before = bytes;
    bytes += size;
    if (before < bounds.absoluteBytes && bytes >= bounds.absoluteBytes) tooMuch();
  }

  async function* read(): AsyncGenerator<Uint8Array> {
    let done = false;
    try {
      for await (const chunk of reader.iterator({ destroyOnReturn: false })) {
        const data: Uint8Array = chunk; // the socket has no encoding set, so chunks are bytes
        const room = bounds.keepBytes - bytes;
        count(data.length);
        if (room >= data.length) {
          yield data;
        } else if (!truncated) {
          truncated = true;
          if (room > 0) yield data.subarray(0, room);
          yield Buffer.from(`\n[sallyport: output cut after ${bounds.keepBytes} bytes]\n`);
        }
      }
      done = true;
    } catch (error) {
      // The reader was destroyed under us, because the step was ended; what was read is all there is.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error; // stream errors carry a code
      done = true;
    } finally {
      // The reader left early: the step must not block on a full pipe for ever.
      if (!done) {
        truncated = true;
        reader.on('data', (data: Uint8Array) => count(data.length));
        reader.resume();
      }
    }
  }

  return { chunks: read(), bytes: () => bytes, truncated: () => truncated, ended };
}
