import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePath } from '../request/path.ts';
import { isReserved, mountPath } from './paths.ts';

describe('the path of a mount', () => {
  it.each([
    ['kv', 'kv/'],
    ['kv/', 'kv/'],
    ['/team/kv/', 'team/kv/'],
    ['größe', 'größe/'],
  ])('%s is %s', (text, path) => {
    expect(mountPath(text)).toBe(path);
  });

  it.each([
    '',
    '/',
    ' kv',
    'kv ',
    'a//b',
    'a/../b',
    '.',
    'a*',
    '+',
    'a\\b',
    'a\u0000',
    'a\u202eb',
    'x'.repeat(600),
  ])('%j is none', (text) => {
    expect(() => mountPath(text)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  it('can always be named by a request', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        let path: string;
        try {
          path = mountPath(text);
        } catch (error) {
          expect(isFault(error)).toBe(true);
          return;
        }
        const encoded = path.slice(0, -1).split('/').map(encodeURIComponent).join('/');

        expect(`${parsePath(encoded).path}/`).toBe(path);
      }),
    );
  });

  it.each(['sys/', 'sys/x/', 'auth/', 'identity/', 'cubbyhole/', 'audit/'])('%s is reserved', (path) => {
    expect(isReserved(path, 'secret')).toBe(true);
  });

  it('is reserved by whole segments', () => {
    expect(isReserved('system/', 'secret')).toBe(false);
    expect(isReserved('tokens/', 'auth')).toBe(false);
    expect(isReserved('token/', 'auth')).toBe(true);
  });
});
