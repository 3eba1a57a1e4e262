import { describe, expect, it } from 'vitest';
import { contradictions, type Operation, tokenContradictions } from './history.ts';

const operation = (
  kind: Operation['kind'],
  began: number,
  ended: number,
  version?: number,
  value = `v${version}`,
): Operation => ({
  client: 0,
  key: 'k',
  kind,
  began,
  ended,
  value,
  ...(version === undefined ? {} : { version }),
});

describe('a history of one key', () => {
  it('holds when one order explains it', () => {
    const history = [
      operation('read', 0, 1, 0),
      operation('write', 1, 10, 1),
      operation('read', 2, 3, 0),
      operation('read', 4, 5, 1),
      operation('write', 6, 12, 2),
      operation('read', 11, 13, 1),
    ];

    expect(contradictions(history)).toEqual([]);
  });

  it.each([
    ['a stale read', [operation('write', 0, 1, 1), operation('write', 2, 3, 2), operation('read', 4, 5, 1)]],
    ['a lost write', [operation('write', 0, 1, 1), operation('read', 2, 3, 0)]],
    [
      'a read that goes back',
      [operation('write', 0, 9, 1), operation('read', 1, 2, 1), operation('read', 3, 4, 0)],
    ],
    ['two writes of one version', [operation('write', 0, 9, 1, 'a'), operation('write', 0, 9, 1, 'b')]],
    ['writes out of order', [operation('write', 0, 1, 2), operation('write', 2, 3, 1)]],
    ['a value nobody wrote', [operation('write', 0, 1, 1), operation('read', 2, 3, 2, 'x')]],
    ['another value', [operation('write', 0, 1, 1, 'a'), operation('read', 2, 3, 1, 'b')]],
    ['a read from the future', [operation('read', 0, 1, 1), operation('write', 2, 3, 1)]],
  ])('is contradicted by %s', (_what, history) => {
    expect(contradictions(history)).not.toEqual([]);
  });

  it('leaves it open whether a write without an answer happened', () => {
    const cut = operation('write', 0, Number.POSITIVE_INFINITY, undefined, 'maybe');

    expect(contradictions([cut, operation('read', 1, 2, 1, 'maybe')])).toEqual([]);
    expect(contradictions([cut, operation('read', 1, 2, 0)])).toEqual([]);
    expect(
      contradictions([cut, operation('read', 1, 2, 1, 'maybe'), operation('read', 3, 4, 0)]),
    ).not.toEqual([]);
  });
});

describe('the life of a token', () => {
  const use = (kind: 'use' | 'revoke', began: number, ended: number, ok: boolean) => ({
    token: 't',
    kind,
    began,
    ended,
    ok,
  });

  it('holds when it ends once', () => {
    expect(
      tokenContradictions([use('use', 0, 1, true), use('revoke', 2, 5, true), use('use', 3, 4, false)]),
    ).toEqual([]);
  });

  it('is contradicted by a use after its end, and by a refusal before it', () => {
    expect(tokenContradictions([use('revoke', 0, 1, true), use('use', 2, 3, true)])).toHaveLength(1);
    expect(tokenContradictions([use('use', 0, 1, false), use('revoke', 2, 3, true)])).toHaveLength(1);
  });
});
