import { concatBytes, utf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { type LinkPolicy, TarTree } from './tree.ts';

interface EntryBase {
  /** Relative, with "/" between segments and none at the end. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly mtimeSeconds: number;
}

export type TarEntry = EntryBase &
  (
    | { readonly type: 'file'; readonly body: Uint8Array }
    | { readonly type: 'directory' }
    | { readonly type: 'symlink' | 'hardlink'; readonly linkTarget: string }
  );

/** A file whose content is read when its turn comes, for archives larger than memory should hold. */
export type TarStreamEntry =
  | TarEntry
  | (EntryBase & {
      readonly type: 'file';
      readonly sizeBytes: number;
      readonly open: () => AsyncIterable<Uint8Array>;
    });

const blockBytes = 512;
const writerPathBytes = 4096;
const endOfArchive = new Uint8Array(2 * blockBytes);
const typeFlags = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const;

/**
 * A tar archive (POSIX ustar, pax records only where ustar has no room) that depends on nothing but its entries:
 * sorted by path, owner 0:0, no names, no times but the given one. The same entries give the same bytes.
 */
export function writeTar(entries: readonly TarEntry[], links: LinkPolicy = 'inside'): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of sorted(entries, links)) {
    const body = entry.type === 'file' ? entry.body : new Uint8Array();
    parts.push(...headers(entry, body.length), body, padding(body.length));
  }
  return concatBytes(...parts, endOfArchive);
}

/** The same bytes as `writeTar`, piece by piece. A body that is not as long as it said stops the archive. */
export async function* streamTar(
  entries: readonly TarStreamEntry[],
  links: LinkPolicy = 'inside',
): AsyncGenerator<Uint8Array> {
  for (const entry of sorted(entries, links)) {
    if (entry.type !== 'file') {
      yield* headers(entry, 0);
    } else if ('body' in entry) {
      yield* [...headers(entry, entry.body.length), entry.body, padding(entry.body.length)];
    } else {
      yield* headers(entry, entry.sizeBytes);
      let written = 0;
      for await (const chunk of entry.open()) {
        written += chunk.length;
        if (written > entry.sizeBytes) break;
        yield chunk;
      }
      if (written !== entry.sizeBytes) throw refused(`${entry.sizeBytes} bytes of body`, entry.path);
      yield padding(entry.sizeBytes);
    }
  }
  yield endOfArchive;
}

function sorted<T extends TarStreamEntry>(entries: readonly T[], links: LinkPolicy): readonly T[] {
  // By code units, not by locale: the order must not depend on the machine. A hard link's target must come earlier.
  const order = [...entries].sort(
    (a, b) => Number(a.type === 'hardlink') - Number(b.type === 'hardlink') || compare(a.path, b.path),
  );
  const tree = new TarTree(links, writerPathBytes);
  for (const entry of order) tree.add(entry);
  return order;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function headers(entry: TarStreamEntry, sizeBytes: number): Uint8Array[] {
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const link = 'linkTarget' in entry ? entry.linkTarget : '';
  const pax: [string, string][] = [];
  if (!fits(link)) pax.push(['linkpath', link]);
  if (!fits(path)) pax.push(['path', path]);
  if (sizeBytes > 0o77777777777) pax.push(['size', String(sizeBytes)]);
  const main = block(typeFlags[entry.type], {
    name: fits(path) ? path : 'pax',
    link: fits(link) ? link : '',
    mode: entry.mode,
    mtimeSeconds: entry.mtimeSeconds,
    sizeBytes: sizeBytes > 0o77777777777 ? 0 : sizeBytes,
  });
  if (pax.length === 0) return [main];
  const records = concatBytes(...pax.map(([key, value]) => paxRecord(key, value)));
  const extended = block('x', {
    name: 'PaxHeaders',
    link: '',
    mode: 0o644,
    mtimeSeconds: entry.mtimeSeconds,
    sizeBytes: records.length,
  });
  return [extended, records, padding(records.length), main];
}

function fits(text: string): boolean {
  // Beyond ASCII the ustar fields have no defined encoding.
  return text.length <= 100 && /^[\x20-\x7e]*$/.test(text);
}

/** `"<length> <key>=<value>\n"`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = utf8(` ${key}=${value}\n`);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return concatBytes(utf8(String(length)), rest);
}

interface HeaderFields {
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
}

function block(typeFlag: string, fields: HeaderFields): Uint8Array {
  const header = new Uint8Array(blockBytes);
  const put = (offset: number, text: string) => header.set(utf8(text), offset);
  put(0, fields.name);
  put(100, octal(fields.mode, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(fields.sizeBytes, 11));
  put(136, octal(fields.mtimeSeconds, 11));
  put(148, '        ');
  put(156, typeFlag);
  put(157, fields.link);
  put(257, 'ustar\u000000');
  put(329, octal(0, 7));
  put(337, octal(0, 7));
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\u0000 `);
  return header;
}

function octal(value: number, digits: number): string {
  const text = value.toString(8);
  if (!Number.isSafeInteger(value) || value < 0 || text.length > digits) {
    throw refused(`a number of at most ${digits} octal digits`, String(value));
  }
  return text.padStart(digits, '0');
}

function padding(sizeBytes: number): Uint8Array {
  return new Uint8Array((blockBytes - (sizeBytes % blockBytes)) % blockBytes);
}

function refused(expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'formats.tar_entry',
    `expected ${expected}, got ${JSON.stringify(got.slice(0, 200))}`,
  );
}
