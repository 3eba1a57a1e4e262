import { utf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink';

/**
 * `inside`: a symbolic link may only lead to a place below the root, by itself. `rooted`: absolute targets are taken
 * too, for image layers that are only ever looked at from inside their own root.
 */
export type LinkPolicy = 'inside' | 'rooted';

interface Member {
  readonly path: string;
  readonly type: TarEntryType;
  readonly linkTarget?: string;
}

/**
 * Checks that the entries of an archive, one after the other, make a tree from which nothing can be written or linked
 * outside: no absolute path, no "..", nothing below a link or file, nothing twice. Reader and writer share it.
 */
export class TarTree {
  readonly #types = new Map<string, TarEntryType>();
  readonly #links: LinkPolicy;
  readonly #maxPathBytes: number;

  constructor(links: LinkPolicy, maxPathBytes: number) {
    this.#links = links;
    this.#maxPathBytes = maxPathBytes;
  }

  add(member: Member): void {
    checkTarPath(member.path, this.#maxPathBytes);
    const known = this.#types.get(member.path);
    if (known !== undefined) {
      // A directory may be announced after its content made it known, but only once.
      const implied = known === 'directory' && this.#implied.has(member.path) && member.type === 'directory';
      if (!implied) throw refused('each path once', member.path);
      this.#implied.delete(member.path);
      return;
    }
    this.#addParents(member.path);
    this.#checkLink(member);
    this.#types.set(member.path, member.type);
  }

  readonly #implied = new Set<string>();

  #addParents(path: string): void {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash);
      const type = this.#types.get(parent);
      if (type === undefined) {
        this.#types.set(parent, 'directory');
        this.#implied.add(parent);
      } else if (type !== 'directory') {
        // Written through a symbolic link, the file would land where the link points.
        throw refused('only directories above an entry', path);
      }
    }
  }

  #checkLink({ path, type, linkTarget }: Member): void {
    if (type === 'hardlink') {
      if (linkTarget === undefined || this.#types.get(linkTarget) !== 'file') {
        throw refused('a hard link to a file earlier in the archive', path);
      }
    } else if (type === 'symlink') {
      if (linkTarget === undefined || !this.#staysInside(path, linkTarget)) {
        throw refused('a symbolic link that stays inside', path);
      }
    } else if (linkTarget !== undefined) {
      throw refused('no link target', path);
    }
  }

  /**
   * ".." is taken only at the front of a target: there it climbs real directories, which can be counted. Behind a name
   * it may climb from wherever a link of that name leads, and two harmless links could make one that escapes.
   */
  #staysInside(path: string, target: string): boolean {
    if (target === '' || /\p{Cc}/u.test(target) || utf8(target).length > this.#maxPathBytes) return false;
    const absolute = target.startsWith('/');
    if (absolute && this.#links === 'inside') return false;
    const segments = target.split('/').filter((segment) => segment !== '' && segment !== '.');
    const names = segments.findIndex((segment) => segment !== '..');
    const climbs = names < 0 ? segments.length : names;
    if (segments.slice(climbs).includes('..')) return false;
    return climbs <= (absolute ? 0 : path.split('/').length - 1);
  }
}

/** Throws unless `path` is relative, normal (no ".", "..", empty segment, trailing slash) and printable. */
export function checkTarPath(path: string, maxPathBytes: number): void {
  if (path === '' || utf8(path).length > maxPathBytes) {
    throw refused(`a path of 1 to ${maxPathBytes} bytes`, path);
  }
  if (/\p{Cc}/u.test(path)) throw refused('a path without control characters', path);
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') {
      throw refused('a relative path without empty, "." and ".." segments', path);
    }
  }
}

function refused(expected: string, path: string): Fault {
  return new Fault(
    'invalid',
    'formats.tar_path',
    `expected ${expected} in the archive, got ${JSON.stringify(path.slice(0, 200))}`,
  );
}
