import { Fault, type FaultKind, faultKinds } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from './exit-code.ts';

const promised: Readonly<Record<FaultKind, number>> = {
  invalid: 2,
  unauthenticated: 3,
  denied: 3,
  not_found: 4,
  precondition: 5,
  integrity: 6,
  conflict: 1,
  exhausted: 1,
  unavailable: 1,
  internal: 1,
};

describe('the exit code', () => {
  it.each(faultKinds)('of %s is the one that CONTRIBUTING.md promises', (kind) => {
    expect(exitCodeOf(new Fault(kind, 'x.y', 'z'))).toBe(promised[kind]);
  });

  it('is 5 for every refusal by a gate, whatever its kind', () => {
    expect(exitCodeOf(new Fault('conflict', 'release.refused_by_gate', 'z'))).toBe(5);
  });

  it.each([new Error('x'), 'text', undefined])('is 1 for anything else', (thrown) => {
    expect(exitCodeOf(thrown)).toBe(1);
  });
});
