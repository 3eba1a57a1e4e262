import { Fault } from '@sallyport/formats';

/**
 * What may be handed to the git program, and what is taken from it. Stricter than git itself: everything that could
 * be read as an option, a revision expression (`a..b`, `x@{1}`, `x^{/y}`), a pattern or a line break is refused.
 */

// git-check-ref-format(1), without non-ASCII and shell-active characters: what a person cannot see cannot be approved.
const refPart = /^[A-Za-z0-9_+=#%,@][A-Za-z0-9._+=#%,@-]*$/;
const refSpaces = /^refs\/(heads|tags|pull|merge-requests)\//;

/** True for a full name of a branch, a tag or the head of a pull request. */
export function isRefName(ref: string): boolean {
  if (ref.length > 255 || !refSpaces.test(ref) || ref.includes('..') || ref.includes('@{')) return false;
  const parts = ref.split('/');
  if (/^refs\/(pull|merge-requests)\//.test(ref)) {
    return parts.length === 4 && /^[0-9]{1,12}$/.test(parts[2] ?? '') && parts[3] === 'head';
  }
  return parts.every((part) => refPart.test(part) && !part.endsWith('.') && !part.endsWith('.lock'));
}

export function checkRefName(ref: string): string {
  if (isRefName(ref)) return ref;
  throw new Fault(
    'invalid',
    'pipeline.bad_ref',
    `expected a full ref such as "refs/heads/main", got ${JSON.stringify(ref.slice(0, 80))}`,
  );
}

/** `main` becomes `refs/heads/main`; a full name stays. */
export function toRefName(name: string): string {
  return checkRefName(name.startsWith('refs/') ? name : `refs/heads/${name}`);
}

export function checkCommitId(text: string): string {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return text;
  throw new Fault(
    'invalid',
    'pipeline.bad_commit',
    `expected a commit as 40 or 64 hexadecimal digits, got ${JSON.stringify(text.slice(0, 80))}`,
  );
}

/** A path inside a tree: relative, and nothing that leaves or that git treats as its own. */
export function checkTreePath(path: string): string {
  const parts = path.split('/');
  const isBad = parts.some(
    (part) => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git',
  );
  if (path.length <= 4096 && !isBad && !/[\p{Cc}\\]/u.test(path)) return path;
  throw new Fault(
    'invalid',
    'pipeline.bad_path',
    `expected a relative path inside the repository, got ${JSON.stringify(path.slice(0, 80))}`,
  );
}

/**
 * A repository by absolute path, `file://`, `https://` or `ssh://`. `ext::` and other transports run programs; a
 * leading dash is an option; user names and passwords in a URL end in logs.
 */
export function checkSource(source: string): string {
  const refuse = (why: string, hint?: string): never => {
    throw new Fault('invalid', 'pipeline.bad_source', `expected a repository by path or URL, got ${why}`, {
      ...(hint === undefined ? {} : { hint }),
    });
  };
  if (source.length === 0 || source.length > 1000) return refuse(`a text of ${source.length} characters`);
  if (/[\p{Cc}\s\p{Zl}\p{Zp}\\]/u.test(source)) return refuse('control characters, spaces or backslashes');
  if (source.startsWith('-')) return refuse('a leading dash');
  if (source.startsWith('/')) {
    return source.split('/').includes('..') ? refuse('a path with ".."') : source;
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(source)?.[1];
  if (scheme !== 'file' && scheme !== 'https' && scheme !== 'ssh') {
    return refuse(
      scheme === undefined ? 'something else' : `the protocol "${scheme}"`,
      'use an absolute path, file://, https:// or ssh://user@host/path',
    );
  }
  const url = URL.canParse(source) ? new URL(source) : refuse('a URL that cannot be read');
  if (scheme === 'file') {
    if (url.hostname !== '' || url.pathname.split('/').includes('..'))
      refuse('a file URL with a host or ".."');
    return source;
  }
  if (url.password !== '' || (scheme === 'https' && url.username !== '')) {
    refuse('a URL with a credential in it', 'a credential in a URL ends in logs and process lists');
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(url.hostname)) refuse('a host name that is none');
  if (url.username !== '' && !/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(url.username))
    refuse('a user name that is none');
  if (url.pathname.startsWith('/-') || url.search !== '' || url.hash !== '') refuse('a path that is none');
  return source;
}
