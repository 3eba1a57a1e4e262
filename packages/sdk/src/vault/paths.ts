import { Fault } from '@sallyport/formats';

const maxPathBytes = 1024;

/**
 * A path below `/v1/` as it was given, such as `secret/app`: without slashes around it, and with nothing in it that a
 * server or a proxy could read as another path. Throws Fault `vault.path`.
 */
export function plainPath(text: string): string {
  const path = text.replace(/^\/?(?:v1\/)?/, '').replace(/\/$/, '');
  const bad = path.split('/').some((part) => part === '' || part === '.' || part === '..');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not reach a request line
  if (!bad && path.isWellFormed() && !/[\u0000-\u001f\u007f\\]/.test(path) && path.length <= maxPathBytes) {
    return path;
  }
  throw new Fault(
    'invalid',
    'vault.path',
    `expected a path such as secret/app without empty parts, '..' or control characters, got '${text.slice(0, 100)}'`,
  );
}

/** Each part encoded, so that no character of a name becomes a part of the address. */
export const encodedPath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
