import { Fault } from '@sallyport/formats';
import { badRequest } from '../errors.ts';

/** Where nothing can be mounted and nothing that is there can be moved: what the server itself is made of. */
const reserved = ['sys/', 'auth/', 'cubbyhole/', 'identity/', 'audit/'];
/** Below `auth/`: tokens must always be looked up. */
const reservedAuth = ['token/'];

const maxLength = 512;
// What a segment of a request's path can be: nothing could be reached below a mount with another name.
const segment = /^(?!\.{1,2}$)[^\p{C}\p{Zl}\p{Zp}\\/*+]{1,128}$/u;

/**
 * The path of a mount as it was written in a request, with one slash at its end and none at its beginning. Throws for a
 * path that a request could not name, and for one that a policy would read as a pattern.
 */
export function mountPath(text: string): string {
  const path = text.replace(/^\/+|\/+$/g, '');
  if (path === '') throw badRequest('expected the path of a mount, got none');
  if (
    path.length > maxLength ||
    path.trim() !== path ||
    // Two spellings of one name would be two mounts; see request/path.ts.
    path !== path.normalize('NFC') ||
    !path.split('/').every((each) => segment.test(each))
  ) {
    throw badRequest(
      `expected a path of at most ${maxLength} characters without empty, relative or wildcard segments, got ${JSON.stringify(path.slice(0, 80))}`,
    );
  }
  return `${path}/`;
}

export function isReserved(path: string, kind: 'secret' | 'auth'): boolean {
  const names = kind === 'auth' ? reservedAuth : reserved;
  return names.some((name) => path.startsWith(name));
}

/** Vault answers 403 for mounting there, whoever asks. */
export function cannotMount(path: string): Fault {
  return new Fault('denied', 'vault.reserved_path', `cannot mount "${path}"`);
}
