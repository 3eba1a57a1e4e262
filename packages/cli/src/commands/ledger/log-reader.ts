import { decodeEntryBundle, Fault, fromUtf8, tilePath, tileWidth } from '@sallyport/formats';

/** A log as C2SP tlog-tiles v0.1.0 serves it; hostile until what it gives was checked. */
export interface LogReader {
  checkpoint(): Promise<string>;
  /** The first `width` leaf hashes of the tile at `index`. */
  leafHashes(index: number, width: number): Promise<readonly Uint8Array[]>;
  /** The first `width` entries of the bundle at `index`. */
  entries(index: number, width: number): Promise<readonly Uint8Array[]>;
}

const timeoutMilliseconds = 30_000;
const maxCheckpointBytes = 64 * 1024;
const maxBundleBytes = tileWidth * (2 + 65_535);

export function createLogReader(url: string, token: string | undefined): LogReader {
  const base = url.replace(/\/$/, '');

  async function get(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    let response: Response;
    try {
      response = await fetch(`${base}/${path}`, {
        redirect: 'error',
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(timeoutMilliseconds),
      });
    } catch (cause) {
      throw new Fault('unavailable', 'cli.log_away', `expected an answer of ${base}, got none`, { cause });
    }
    if (response.status === 404) return undefined;
    if (response.status !== 200) {
      throw new Fault(
        response.status === 401 || response.status === 403 ? 'denied' : 'unavailable',
        'cli.log_answer',
        `expected ${path} of the log, got status ${response.status}`,
        response.status === 401 ? { hint: 'entries of this log need --token-file' } : {},
      );
    }
    return bounded(response, path, maxBytes);
  }

  /** A partial tile may be gone when its full one is there. */
  async function tile(level: 0 | 'entries', index: number, width: number, maxBytes: number) {
    const bytes =
      (await get(tilePath(level, index, width), maxBytes)) ?? (await get(tilePath(level, index), maxBytes));
    if (bytes !== undefined) return bytes;
    throw new Fault(
      'integrity',
      'cli.log_tile',
      `expected ${tilePath(level, index, width)} of the log, got none`,
    );
  }

  return {
    async checkpoint() {
      const bytes = await get('checkpoint', maxCheckpointBytes);
      if (bytes !== undefined) return fromUtf8(bytes);
      throw new Fault('not_found', 'cli.no_log', `expected a log at ${base}, got no checkpoint`);
    },
    async leafHashes(index, width) {
      const bytes = await tile(0, index, width, tileWidth * 32);
      if (bytes.length < width * 32) {
        throw new Fault(
          'integrity',
          'cli.log_tile',
          `expected a tile of ${width} hashes, got ${bytes.length} bytes`,
        );
      }
      return Array.from({ length: width }, (_, i) => bytes.slice(i * 32, i * 32 + 32));
    },
    async entries(index, width) {
      const entries = decodeEntryBundle(await tile('entries', index, width, maxBundleBytes));
      if (entries.length >= width) return entries.slice(0, width);
      throw new Fault('integrity', 'cli.log_tile', `expected ${width} entries, got ${entries.length}`);
    },
  };
}

async function bounded(response: Response, path: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new Fault('invalid', 'cli.log_answer', `expected at most ${maxBytes} bytes at ${path}, got more`);
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
