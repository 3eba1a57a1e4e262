import { concatBytes, fromUtf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { BlockReader } from './block-reader.ts';
import { type Overrides, parsePax, parseTarHeader, type TarHeader } from './header.ts';
import { type LinkPolicy, type TarEntryType, TarTree } from './tree.ts';

export interface TarLimits {
  readonly maxEntries: number;
  /** Sum of all file contents. */
  readonly maxBytes: number;
  readonly maxPathBytes: number;
  readonly links: LinkPolicy;
}

export const defaultTarLimits: TarLimits = {
  maxEntries: 200_000,
  maxBytes: 4 * 1024 ** 3,
  maxPathBytes: 4096,
  links: 'inside',
};

export interface TarReadEntry {
  readonly path: string;
  readonly type: TarEntryType;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  readonly linkTarget?: string;
  /** The content, once, and only until the next entry is asked for; what was not read is passed over. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole content in memory. */
  bytes(): Promise<Uint8Array>;
}

const blockBytes = 512;
const maxMetaBytes = 1024 * 1024;

/**
 * Reads a tar archive (ustar, pax, GNU long names) from untrusted hands. Refuses what could write outside the root it
 * is unpacked into, devices, fifos, sparse files, paths that come twice, wrong checksums, anything over the limits, a
 * missing end and data behind it. See `TarTree` for the rules on paths and links.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array> | Uint8Array,
  limits: Partial<TarLimits> = {},
): AsyncGenerator<TarReadEntry> {
  const bounds = { ...defaultTarLimits, ...limits };
  const reader = new BlockReader(source instanceof Uint8Array ? once(source) : source);
  const tree = new TarTree(bounds.links, bounds.maxPathBytes);
  let entries = 0;
  let bytes = 0;
  try {
    for (;;) {
      const next = await nextHeader(reader);
      if (next === undefined) break;
      entries++;
      bytes += next.sizeBytes;
      if (entries > bounds.maxEntries) throw exceeded(`${bounds.maxEntries} entries`);
      if (bytes > bounds.maxBytes) throw exceeded(`${bounds.maxBytes} bytes of content`);
      const member = memberOf(next);
      if (member === undefined) continue;
      tree.add(member);
      const body = new Body(reader, next.sizeBytes);
      yield { ...member, body, bytes: () => body.collect() };
      await body.skip();
    }
    await requireEnd(reader);
  } finally {
    await reader.close();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The next entry's header with what pax and GNU records say about it; undefined at the end of the archive. */
async function nextHeader(reader: BlockReader): Promise<TarHeader | undefined> {
  const overrides: Overrides = {};
  const given = new Set<string>();
  for (;;) {
    const header = parseTarHeader(await reader.exactly(blockBytes));
    if (header === undefined) {
      if (given.size > 0) throw refused('an entry behind extended headers', 'the end');
      return undefined;
    }
    const kind = header.typeFlag;
    if (!'xgLK'.includes(kind)) return merge(header, overrides);
    // Two records of a kind for one entry: which one counts differs between readers.
    if (given.has(kind)) throw refused('one extended header of a kind for an entry', kind);
    given.add(kind);
    Object.assign(overrides, await readExtended(reader, header));
  }
}

async function readExtended(reader: BlockReader, header: TarHeader): Promise<Overrides> {
  if (header.sizeBytes > maxMetaBytes) throw exceeded(`${maxMetaBytes} bytes of extended header`);
  const body = await reader.exactly(header.sizeBytes);
  await reader.exactly(padded(header.sizeBytes));
  if (header.typeFlag === 'L') return { path: longName(body) };
  if (header.typeFlag === 'K') return { linkpath: longName(body) };
  const overrides = parsePax(body);
  if (header.typeFlag === 'g') {
    // Global records (git writes a comment) must not rename or resize every entry to come.
    const { path, linkpath, size } = overrides;
    if (path !== undefined || linkpath !== undefined || size !== undefined) {
      throw refused('global records without path, linkpath and size', 'one with');
    }
    return {};
  }
  return overrides;
}

function longName(body: Uint8Array): string {
  const end = body.indexOf(0);
  if (end >= 0 && body.subarray(end).some((byte) => byte !== 0))
    throw refused('a long name', 'one with zero bytes');
  return fromUtf8(end < 0 ? body : body.subarray(0, end));
}

function merge(header: TarHeader, overrides: Overrides): TarHeader {
  return {
    ...header,
    name: overrides.path ?? header.name,
    linkName: overrides.linkpath ?? header.linkName,
    sizeBytes: overrides.size ?? header.sizeBytes,
    mtimeSeconds: overrides.mtime ?? header.mtimeSeconds,
  };
}

const types: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '\u0000': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

type Member = Omit<TarReadEntry, 'body' | 'bytes'>;

/** The entry with its path made normal; undefined for the root directory itself, which archives often begin with. */
function memberOf(header: TarHeader): Member | undefined {
  const type = types[header.typeFlag];
  if (type === undefined) {
    throw refused(
      'files, directories and links only',
      `type ${JSON.stringify(header.typeFlag)} at ${header.name}`,
    );
  }
  if (type !== 'file' && header.sizeBytes !== 0)
    throw refused('no content in links and directories', header.name);
  const relative = header.name.replace(/^(?:\.\/)+/, '');
  const path = type === 'directory' ? relative.replace(/\/$/, '') : relative;
  if (type === 'directory' && (path === '' || path === '.')) {
    // An empty name is not the root; only "./" and "." are.
    if (header.name === '' || header.name === '/') throw refused('a path', header.name);
    return undefined;
  }
  const { mode, mtimeSeconds, sizeBytes } = header;
  const member = { path, type, mode, mtimeSeconds, sizeBytes };
  if (type === 'hardlink') return { ...member, linkTarget: header.linkName.replace(/^(?:\.\/)+/, '') };
  return type === 'symlink' ? { ...member, linkTarget: header.linkName } : member;
}

async function requireEnd(reader: BlockReader): Promise<void> {
  const second = await reader.exactly(blockBytes);
  if (second.some((byte) => byte !== 0)) throw refused('two blocks of zeros at the end', 'one');
  for (let rest = await reader.rest(); rest !== undefined; rest = await reader.rest()) {
    if (rest.some((byte) => byte !== 0)) throw refused('nothing behind the end', 'data');
  }
}

class Body implements AsyncIterable<Uint8Array> {
  readonly #reader: BlockReader;
  readonly #sizeBytes: number;
  #missing: number;
  #done = false;

  constructor(reader: BlockReader, sizeBytes: number) {
    this.#reader = reader;
    this.#sizeBytes = sizeBytes;
    this.#missing = sizeBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.#done)
      throw new Fault('internal', 'formats.tar_body', 'an entry was read after the next one was asked for');
    for await (const part of this.#reader.upTo(this.#missing)) {
      // Counted before it is handed out: a consumer that stops here has had this part.
      this.#missing -= part.length;
      yield part;
    }
  }

  async collect(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this) parts.push(part);
    return concatBytes(...parts);
  }

  async skip(): Promise<void> {
    for await (const _ of this) {
      // Passed over.
    }
    this.#done = true;
    await this.#reader.exactly(padded(this.#sizeBytes));
  }
}

function padded(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

function refused(expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'formats.tar',
    `expected ${expected} in the archive, got ${JSON.stringify(got.slice(0, 200))}`,
  );
}

function exceeded(limit: string): Fault {
  return new Fault('exhausted', 'formats.tar_limit', `expected at most ${limit} in the archive, got more`);
}
