import { Fault } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { compileGate, counted, fact } from './cel.ts';
import { type GateInput, noEvidence } from './facts.ts';

const input: GateInput = {
  ...noEvidence,
  now: new Date('2026-11-20T10:00:00Z'),
  project: 'shop',
  service: 'orders',
  subject: fact('Subject', { digest: `sha256:${'a'.repeat(64)}` }),
  environment: fact('Environment', { name: 'prod', previous: 'stage' }),
  expected: fact('Expected', {
    builder: 'https://ci/builder',
    repository: 'https://git/orders',
    refs: ['refs/heads/main'],
    tests: ['unit'],
    lockfiles: 1n,
    author: 'per_a',
    authors: ['per_a'],
    promoter: 'per_p',
  }),
  previous: fact('Previous', { healthy: true, healthySeconds: 3600n }),
};

const approval = (person: string, groups: readonly string[] = ['release']) =>
  fact('Approval', {
    evidence: `sha256:${'b'.repeat(64)}`,
    person,
    groups,
    project: 'shop',
    service: 'orders',
    environment: 'prod',
    at: new Date('2026-11-20T09:00:00Z'),
  });

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('expected a fault');
}

describe('compileGate', () => {
  it('evaluates typed evidence', () => {
    const gate = compileGate(
      'approvals.exists(a, "release" in a.groups && now - a.at < duration("2h"))',
      'x',
    );

    expect(gate.test({ ...input, approvals: [approval('per_1')] })).toEqual({ passed: true });
    expect(gate.test({ ...input, approvals: [approval('per_1', ['ops'])] })).toEqual({ passed: false });
    expect(gate.test(input)).toEqual({ passed: false });
  });

  it('counts with atLeast, each element once', () => {
    const gate = compileGate('approvals.atLeast(2, a, a.person != expected.author)', 'x');

    expect(gate.test({ ...input, approvals: [approval('per_1'), approval('per_2')] }).passed).toBe(true);
    expect(gate.test({ ...input, approvals: [approval('per_1'), approval('per_a')] }).passed).toBe(false);
  });

  it.each([
    ['approvals.exists(a, a.nobody == "x")', 'No such key: nobody', 1, 23],
    ['approvals.exists(a,\n  a.person == 1)', 'no such overload: string == int', 2, 3],
    ['1 +', 'Unexpected token: EOF', 1, 4],
    ['secrets.exists(s, true)', 'Unknown variable: secrets', 1, 1],
    ['approvals.atLeast(1, a, a.person)', 'expected a bool', 1, 27],
  ])('refuses %s with its position', (source, message, line, column) => {
    const fault = faultOf(() => compileGate(source, 'environments.prod.gates[0]'));

    expect(fault.code).toBe('release.gate_invalid');
    expect(fault.message).toContain(message);
    expect(fault.message).toContain('environments.prod.gates[0]');
    expect(fault.details).toMatchObject({ line, column });
  });

  it('refuses an expression that is not a bool', () => {
    expect(faultOf(() => compileGate('project', 'x')).message).toBe('x: expected a bool, got string');
  });

  it.each([
    '!runs.exists(r, r.outcome == "failed")',
    'runs.all(r, r.outcome == "succeeded")',
    'size(runs) == 0',
    'runs == []',
    'runs.size() < 3',
    'tests.filter(t, !t.passed).size() == 0',
    'runs.exists(r, !tests.exists(t, !t.passed))',
    '(runs.exists(r, true) ? false : true)',
    'tests.exists_one(t, t.passed)',
    'expected.tests.exists_one(n, tests.exists(t, t.name == n))',
    'runs.exists(r, true) == false',
    'approvals.atLeast(3 - size(tests), a, true)',
    '[runs].exists(x, x.size() == 0)',
    '{"a": runs}.a.size() == 0',
    'runs.exists(r, [1, 2].all(i, tests.all(t, t.passed)))',
    'runs[0].outcome == "succeeded"',
  ])('refuses %s, which missing evidence could make true', (source) => {
    expect(faultOf(() => compileGate(source, 'x')).code).toBe('release.gate_not_monotone');
  });

  it.each([
    'dependencies.exists(d, d.findings.all(f, f.severity != "high"))',
    'dependencies.exists(d, !(d.mismatches > 0) && size(d.findings) == 0)',
    'runs.exists(runs, runs.outcome == "succeeded")',
    'environment.name == "dev" || sources.exists(s, s.signed)',
    '!(environment.name == "prod") || approvals.atLeast(1, a, true)',
    'environment.name == "prod" ? approvals.exists(a, true) : true',
    'glob("refs/heads/main", "refs/heads/*")',
  ])('accepts %s', (source) => {
    expect(compileGate(source, 'x').source).toBe(source);
  });

  it('refuses what cannot be bounded', () => {
    const nested = 'tests.exists(a, tests.exists(b, tests.exists(c, tests.exists(d, true))))';

    expect(faultOf(() => compileGate('project.matches("(a+)+$")', 'x')).code).toBe('release.gate_unbounded');
    expect(faultOf(() => compileGate('cel.bind(x, 1, x > 0)', 'x')).code).toBe('release.gate_unbounded');
    expect(faultOf(() => compileGate(nested, 'x')).code).toBe('release.gate_unbounded');
    expect(faultOf(() => compileGate(Array(400).fill('true').join(' && '), 'x')).code).toBe(
      'release.gate_invalid',
    );
  });

  it('ends an evaluation that looks at too much, the same way each time, and does not pass', () => {
    const gate = compileGate(
      'tests.exists(a, tests.exists(b, tests.exists(c, a.name + b.name == c.name)))',
      'x',
    );
    const open = compileGate(
      'tests.exists(a, tests.exists(b, tests.exists(c, a.name == b.name))) || true',
      'x',
    );
    const tests = counted(
      Array.from({ length: 2000 }, (_, i) =>
        fact('Test', { evidence: '', runId: 'r', name: `n${i}`, passed: true }),
      ),
    );
    const error = 'the expression looked at facts more than 200000 times';

    expect(gate.test({ ...input, tests })).toEqual({ passed: false, error });
    expect(gate.test({ ...input, tests })).toEqual({ passed: false, error });
    expect(open.test({ ...input, tests })).toEqual({ passed: true });
  });

  it('does not pass when the expression gives an error', () => {
    const gate = compileGate('1 / (previous.healthySeconds - 3600) == 0 || approvals.exists(a, true)', 'x');

    expect(gate.test(input)).toEqual({ passed: false, error: expect.stringContaining('division by zero') });
    expect(gate.test({ ...input, approvals: [approval('per_1')] }).passed).toBe(true);
  });
});
