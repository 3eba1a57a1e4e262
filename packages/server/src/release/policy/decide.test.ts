import type { Definition, Environment } from '@sallyport/contract';
import { type Digest, digestOf, Fault, utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fact } from './cel.ts';
import { decide, type EvidenceSet, wakeAt } from './decide.ts';
import { type Circumstances, type EvidenceFacts, type EvidenceVariable, noEvidence } from './facts.ts';
import { compilePolicy, type EnvironmentPolicy } from './policy.ts';

const now = new Date('2026-11-20T10:00:00Z');
const builder = 'https://ci.example/builder';
const repository = 'https://git.example/orders';
const digestFor = (name: string): Digest => digestOf(utf8(name));
const target = { type: 'process', port: 8080 } as const;

function definition(prod: Partial<Environment> = {}, verify = ['unit', 'e2e']): Definition {
  return {
    version: 1,
    triggers: { push: ['main', 'release/*'], tag: ['v*'] },
    dependencies: { lockfiles: ['package-lock.json'] },
    build: {
      image: 'host',
      steps: [{ name: 'install', run: 'npm ci' }],
      artifacts: [{ name: 'app', type: 'oci', paths: ['dist'], base: 'host', command: ['node'] }],
    },
    verify: verify.map((name) => ({ name, run: 'true' })),
    environments: {
      stage: { target },
      prod: {
        target: { ...target, port: 8081 },
        promote: { soak: '1h', approvals: { min: 2, groups: ['release'] } },
        ...prod,
      },
    },
  };
}

function policyOf(name: string, from: Definition = definition()): EnvironmentPolicy {
  const found = compilePolicy(from, repository).environments.find((each) => each.environment === name);
  if (found === undefined) throw new Error(`no environment ${name}`);
  return found;
}

function circumstances(more: Partial<Circumstances> = {}): Circumstances {
  const { expected } = compilePolicy(definition(), repository);
  return {
    now,
    project: 'shop',
    service: 'orders',
    subject: fact('Subject', { digest: digestFor('image') }),
    environment: fact('Environment', { name: 'prod', previous: 'stage' }),
    expected: fact('Expected', {
      ...expected,
      builder,
      lockfiles: 1n,
      author: 'psn_author',
      authors: ['psn_author', 'psn_signer'],
      promoter: 'psn_promoter',
    }),
    previous: fact('Previous', { healthy: true, healthySeconds: 7200n }),
    ...more,
  };
}

let counter = 0;
const evidence = () => digestFor(`bundle ${++counter}`);
const good = {
  provenance: (more = {}) =>
    fact('Provenance', {
      evidence: evidence(),
      builder,
      project: 'shop',
      service: 'orders',
      repository,
      ref: 'refs/heads/main',
      commit: 'c1',
      trust: 'trusted',
      runId: 'run_1',
      parametersComplete: true,
      isolation: [],
      resolvedDependencies: 3n,
      ...more,
    }),
  run: (more = {}) =>
    fact('Run', {
      evidence: evidence(),
      runId: 'run_1',
      outcome: 'succeeded',
      trust: 'trusted',
      steps: [],
      ...more,
    }),
  test: (name: string, more = {}) =>
    fact('Test', { evidence: evidence(), runId: 'run_1', name, passed: true, ...more }),
  sbom: (more = {}) => fact('Sbom', { evidence: evidence(), components: 3n, ...more }),
  dependencies: (more = {}) =>
    fact('Dependencies', {
      evidence: evidence(),
      runId: 'run_1',
      locked: 3n,
      fetched: 3n,
      verified: 3n,
      mismatches: 0n,
      notInLock: 0n,
      notFetched: 0n,
      complete: true,
      sbomMatchesFetched: true,
      findings: [],
      ...more,
    }),
  source: (more = {}) =>
    fact('Source', {
      evidence: evidence(),
      repository,
      ref: 'refs/heads/main',
      commit: 'c1',
      signed: true,
      signer: 'a@b',
      ...more,
    }),
  approval: (person: string, more = {}) =>
    fact('Approval', {
      evidence: evidence(),
      person,
      groups: ['release'],
      project: 'shop',
      service: 'orders',
      environment: 'prod',
      at: now,
      ...more,
    }),
  deployment: (more = {}) =>
    fact('Deployment', {
      evidence: evidence(),
      project: 'shop',
      service: 'orders',
      environment: 'stage',
      revision: 1n,
      health: 'Healthy',
      at: now,
      ...more,
    }),
};

function complete(): EvidenceFacts {
  return {
    provenance: [good.provenance()],
    runs: [good.run()],
    tests: [good.test('unit'), good.test('e2e')],
    sboms: [good.sbom()],
    dependencies: [good.dependencies()],
    sources: [good.source()],
    approvals: [good.approval('psn_1'), good.approval('psn_2')],
    deployments: [good.deployment()],
  };
}

function setOf(facts: EvidenceFacts): EvidenceSet {
  const found = Object.values(facts).flat();
  return { facts, evidence: found.map((each) => each.evidence as Digest).sort(), rejected: [], revoked: [] };
}

function judge(facts: Partial<EvidenceFacts>, policy = policyOf('prod'), more: Partial<Circumstances> = {}) {
  return decide(setOf({ ...complete(), ...facts }), policy, circumstances(more));
}

const refusing = (verdict: ReturnType<typeof decide>) =>
  verdict.gates.filter((g) => !g.passed).map((g) => g.gate);

describe('decide', () => {
  it('passes complete evidence', () => {
    const verdict = judge({});

    expect(refusing(verdict)).toEqual([]);
    expect(verdict.outcome).toBe('pass');
  });

  it('refuses an artifact without any evidence, whatever the definition lists', () => {
    const policy = policyOf('stage', {
      ...definition(),
      environments: { stage: { target, gates: [{ name: 'open', cel: 'true' }] } },
    });

    const verdict = decide(setOf(noEvidence), policy, circumstances());

    expect(verdict.outcome).toBe('refuse');
    expect(refusing(verdict)).toEqual(['signature-valid', 'provenance', 'run-succeeded']);
  });

  it.each([
    ['another builder', { provenance: [good.provenance({ builder: 'https://evil' })] }, 'provenance'],
    ['another repository', { provenance: [good.provenance({ repository: 'https://fork' })] }, 'provenance'],
    ['another service', { provenance: [good.provenance({ service: 'billing' })] }, 'provenance'],
    ['an unprotected ref', { provenance: [good.provenance({ ref: 'refs/heads/feature' })] }, 'provenance'],
    [
      'a branch below a pattern',
      { provenance: [good.provenance({ ref: 'refs/heads/release/a/b' })] },
      'provenance',
    ],
    ['an untrusted run', { provenance: [good.provenance({ trust: 'untrusted' })] }, 'provenance'],
    ['incomplete parameters', { provenance: [good.provenance({ parametersComplete: false })] }, 'provenance'],
    ['a failed run', { runs: [good.run({ outcome: 'failed' })] }, 'run-succeeded'],
    ['a success of another run', { runs: [good.run({ runId: 'run_2' })] }, 'run-succeeded'],
    ['a failed test', { tests: [good.test('unit'), good.test('e2e', { passed: false })] }, 'tests-passed'],
    [
      'a test of another run',
      { tests: [good.test('unit'), good.test('e2e', { runId: 'r2' })] },
      'tests-passed',
    ],
    ['no sbom', { sboms: [] }, 'sbom-complete'],
    [
      'an sbom unlike what was fetched',
      { dependencies: [good.dependencies({ sbomMatchesFetched: false })] },
      'sbom-complete',
    ],
    [
      'a different tarball',
      { dependencies: [good.dependencies({ mismatches: 1n })] },
      'dependencies-verified',
    ],
    [
      'an unverified tarball',
      { dependencies: [good.dependencies({ verified: 2n })] },
      'dependencies-verified',
    ],
    ['no deployment before', { deployments: [good.deployment({ environment: 'dev' })] }, 'soaked'],
    ['one approval', { approvals: [good.approval('psn_1')] }, 'approvals'],
    [
      'approval for elsewhere',
      { approvals: [good.approval('psn_1'), good.approval('psn_2', { environment: 'stage' })] },
      'approvals',
    ],
    [
      'approval by the author',
      { approvals: [good.approval('psn_1'), good.approval('psn_author')] },
      'approvals',
    ],
    [
      'approval by the promoter',
      { approvals: [good.approval('psn_1'), good.approval('psn_promoter')] },
      'approvals',
    ],
    [
      'approval by outsiders',
      { approvals: [good.approval('psn_1'), good.approval('psn_2', { groups: ['x'] })] },
      'approvals',
    ],
  ])('does not pass with %s', (_name, facts, gate) => {
    const verdict = judge(facts);

    expect(verdict.outcome).not.toBe('pass');
    expect(refusing(verdict)).toContain(gate);
    for (const each of verdict.gates)
      expect(each.passed || (each.reason !== '' && each.fix !== '')).toBe(true);
  });

  it('waits when only approvals are missing, and says who can help', () => {
    const verdict = judge({ approvals: [] });

    expect(verdict.outcome).toBe('waiting');
    expect(wakeAt(verdict)).toBeUndefined();
    expect(verdict.gates.at(-1)?.fix).toContain(
      'member of release, not the author or the promoter: sally approve sha256:',
    );
  });

  it('waits until the soak ends', () => {
    const verdict = judge({}, undefined, {
      previous: fact('Previous', { healthy: true, healthySeconds: 3000n }),
    });

    expect(verdict.outcome).toBe('waiting');
    expect(wakeAt(verdict)).toEqual(new Date(now.getTime() + 600_000));
  });

  it('refuses four eyes while the author is nobody we know', () => {
    const known = circumstances().expected;
    const verdict = judge({}, undefined, { expected: fact('Expected', { ...known, author: '' }) });

    expect(refusing(verdict)).toEqual(['approvals']);
    expect(verdict.gates.at(-1)?.fix).toContain('sally person add');
  });

  it('keeps the minimum when an own gate takes its name', () => {
    const prod = { gates: [{ name: 'provenance', cel: 'true' }] };

    expect(() => policyOf('prod', definition(prod))).toThrow(/expected a new name/);
  });

  it('judges approvals of the environment beside a weaker gate of the same name', () => {
    const prod = { gates: [{ use: 'approvals', with: { min: '1', not: 'author' } }] };

    const verdict = judge({ approvals: [good.approval('psn_1')] }, policyOf('prod', definition(prod)));

    expect(refusing(verdict)).toEqual(['promote-approvals']);
  });

  it.each([
    [{ gates: [{ use: 'nope' }] }, 'release.gate_unknown'],
    [{ gates: [{ use: 'soaked', with: { until: '1h' } }] }, 'release.gate_parameter'],
    [{ gates: [{ use: 'soaked', with: { for: 'long' } }] }, 'release.gate_parameter'],
    [{ gates: [{ use: 'approvals', with: { min: '0' } }] }, 'release.gate_parameter'],
    [{ gates: [{ use: 'approvals', with: { not: 'nobody' } }] }, 'release.gate_parameter'],
    [{ gates: [{ name: 'x', cel: 'nope' }] }, 'release.gate_invalid'],
    [{ promote: { from: 'qa' } }, 'release.environment_unknown'],
    [{ promote: { from: 'prod' } }, 'release.environment_unknown'],
  ])('refuses to compile %j', (prod, code) => {
    expect(() => policyOf('prod', definition(prod))).toThrow(expect.objectContaining({ code }));
  });

  it('refuses tests-passed without a test to pass', () => {
    const prod = { gates: [{ use: 'tests-passed' }] };

    expect(() => policyOf('prod', definition(prod, []))).toThrow(Fault);
  });

  it('gives the same digest for the same policy and another for another expression', () => {
    const gate = (cel: string) => policyOf('prod', definition({ gates: [{ name: 'x', cel }] })).digest;

    expect(gate('true')).toBe(gate('true'));
    expect(gate('true')).not.toBe(gate('1 == 1'));
  });
});

describe('monotony', () => {
  const own = [
    'sources.exists(s, s.signed) || approvals.atLeast(3, a, a.person != "psn_3")',
    'dependencies.exists(d, d.findings.all(f, f.severity == "low") && runs.exists(r, r.runId == d.runId))',
    'approvals.atLeast(1, a, 10 / (size(a.groups) - 1) > 1)',
    'environment.name == "prod" ? tests.exists(t, !t.passed) : true',
  ];
  const policies = own.map((cel) => policyOf('prod', definition({ gates: [{ name: 'own', cel }] })));
  const pool: EvidenceFacts = {
    provenance: [
      good.provenance(),
      good.provenance({ trust: 'untrusted' }),
      good.provenance({ runId: 'run_2' }),
    ],
    runs: [good.run(), good.run({ outcome: 'failed' }), good.run({ runId: 'run_2' })],
    tests: [
      good.test('unit'),
      good.test('e2e'),
      good.test('e2e', { passed: false }),
      good.test('unit', { runId: 'run_2' }),
    ],
    sboms: [good.sbom(), good.sbom({ components: 0n })],
    dependencies: [good.dependencies(), good.dependencies({ mismatches: 2n })],
    sources: [good.source(), good.source({ signed: false })],
    approvals: ['psn_1', 'psn_2', 'psn_3', 'psn_author'].map((name) =>
      good.approval(name, { groups: name === 'psn_3' ? ['release', 'x'] : ['release'] }),
    ),
    deployments: [good.deployment(), good.deployment({ health: 'Degraded' })],
  };
  const subset = fc.record(
    Object.fromEntries(Object.entries(pool).map(([key, values]) => [key, fc.subarray([...values])])),
  ) as unknown as fc.Arbitrary<EvidenceFacts>;

  it('never opens a gate by removing evidence', () => {
    const policy = fc.constantFrom(policyOf('prod'), policyOf('stage'), ...policies);
    const removals = fc.array(fc.tuple(fc.constantFrom(...Object.keys(pool)), fc.nat()), {
      minLength: 1,
      maxLength: 6,
    });
    let passes = 0;

    fc.assert(
      fc.property(subset, removals, policy, (more, removed, judged) => {
        const less: Record<string, unknown[]> = Object.fromEntries(
          Object.entries(more).map(([key, values]) => [key, [...values]]),
        );
        for (const [key, index] of removed) less[key]?.splice(index % Math.max(1, less[key].length), 1);

        const before = decide(setOf(more), judged, circumstances());
        // Keys and element types are those of `more`.
        const after = decide(setOf(less as unknown as EvidenceFacts), judged, circumstances());

        if (before.outcome === 'pass') passes += 1;
        for (const [index, gate] of after.gates.entries()) {
          if (gate.passed) expect(before.gates[index]?.passed).toBe(true);
        }
        if (after.outcome === 'pass') expect(before.outcome).toBe('pass');
      }),
      { numRuns: 400 },
    );
    expect(passes).toBeGreaterThan(0);
  });

  it('knows every evidence variable', () => {
    expect(Object.keys(pool).sort()).toEqual((Object.keys(noEvidence) as EvidenceVariable[]).sort());
  });
});
