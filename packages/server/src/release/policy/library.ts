import { parseDuration } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { GateInput } from './facts.ts';

/**
 * The gates that come with Sallyport, by name. Each is a list of clauses in the same CEL that users write; the first
 * clause that is not true gives the reason. The functions beside a clause only explain, they never decide.
 */
export interface Clause {
  readonly cel: string;
  reason(input: GateInput): string;
  /** What would satisfy it: for most, the command. */
  fix(input: GateInput): string;
  /** The clause can come true without a new build: by an approval, or by time alone (then: when, if nothing happens). */
  readonly waits?: 'approval' | 'time';
  until?(input: GateInput): Date | undefined;
}

export type GateParameters = Readonly<Record<string, string>>;

interface LibraryGate {
  readonly summary: string;
  readonly parameters: readonly string[];
  clauses(parameters: GateParameters): readonly Clause[];
}

const rebuild = (input: GateInput) => `sally run --project ${input.project}`;
const fromOurRun =
  'provenance.exists(p, p.builder == expected.builder && p.project == project && p.service == service';
const listed = (values: readonly string[]) =>
  values.length === 0 ? 'none' : [...new Set(values)].join(', ');

const provenance: LibraryGate = {
  summary: 'built by this installation from a protected ref of this repository, in a trusted run',
  parameters: [],
  clauses: () => [
    {
      cel: `${fromOurRun})`,
      reason: (i) =>
        i.provenance.length === 0
          ? 'expected signed build provenance, found none: no run of this installation built this digest'
          : `expected provenance of builder ${i.expected.builder} for ${i.project}/${i.service}, found ${listed(i.provenance.map((p) => `${p.builder} for ${p.project}/${p.service}`))}`,
      fix: (i) => `build it here: ${rebuild(i)}`,
    },
    {
      cel: `${fromOurRun} && p.repository == expected.repository)`,
      reason: (i) =>
        `expected source repository ${i.expected.repository}, found ${listed(i.provenance.map((p) => p.repository))}`,
      fix: rebuild,
    },
    {
      cel: `${fromOurRun} && p.repository == expected.repository && p.trust == "trusted" && expected.refs.exists(r, glob(p.ref, r)))`,
      reason: (i) =>
        `expected a trusted run on a protected ref (${listed(i.expected.refs)}), found ${listed(i.provenance.map((p) => `${p.trust} ${p.ref}`))}`,
      fix: () => 'merge the commit into a protected ref; that push starts a trusted run',
    },
    {
      cel: `${fromOurRun} && p.repository == expected.repository && p.trust == "trusted" && p.parametersComplete && expected.refs.exists(r, glob(p.ref, r)))`,
      reason: () => 'expected complete externalParameters in the provenance, found missing or unknown ones',
      fix: rebuild,
    },
  ],
};

const ourRun = `${fromOurRun} && runs.exists(r, r.runId == p.runId && r.outcome == "succeeded"))`;

const library: Readonly<Record<string, LibraryGate>> = {
  provenance,
  'run-succeeded': {
    summary: 'the run that built it succeeded as a whole',
    parameters: [],
    clauses: () => [
      {
        cel: ourRun,
        reason: (i) =>
          `expected a succeeded run that built this digest, found ${listed(i.runs.map((r) => `${r.runId} ${r.outcome}`))}`,
        fix: (i) => `repair the failing step and run again: ${rebuild(i)}`,
      },
    ],
  },
  'tests-passed': {
    summary: 'every verify step of the definition passed on this digest, in the run that built it',
    parameters: [],
    clauses: () => [
      {
        cel: 'expected.tests.all(name, tests.exists(t, t.name == name && t.passed && provenance.exists(p, p.runId == t.runId && p.builder == expected.builder)))',
        reason: (i) => {
          const missing = i.expected.tests.filter(
            (name) => !i.tests.some((t) => t.name === name && t.passed),
          );
          return `expected passing results of ${listed(i.expected.tests)}, missing or failed: ${listed(missing)}`;
        },
        fix: (i) => `make the verify steps pass and run again: ${rebuild(i)}`,
      },
    ],
  },
  'sbom-complete': {
    summary: 'a bill of materials exists and is equal to what the build fetched',
    parameters: [],
    clauses: () => [
      {
        cel: 'sboms.exists(s, s.components >= 0)',
        reason: () => 'expected a CycloneDX bill of materials of this digest, found none',
        fix: rebuild,
      },
      {
        cel: 'dependencies.exists(d, d.sbomMatchesFetched && provenance.exists(p, p.runId == d.runId && p.builder == expected.builder))',
        reason: (i) => {
          const d = i.dependencies[0];
          const counts =
            d === undefined
              ? ''
              : ` (${d.notInLock} fetched but not in the lock file, ${d.notFetched} in the lock file but never fetched)`;
          return `expected the SBOM to equal what was fetched, found differences${counts}`;
        },
        fix: () =>
          'bring lock file and install step together (npm install, commit package-lock.json) and run again',
      },
    ],
  },
  'dependencies-verified': {
    summary: 'every fetched dependency was compared with a hash from the lock file, and none differed',
    parameters: [],
    clauses: () => [
      {
        cel: 'dependencies.exists(d, provenance.exists(p, p.runId == d.runId && p.builder == expected.builder))',
        reason: () => 'expected a dependency report of the run that built this digest, found none',
        fix: rebuild,
      },
      {
        cel: 'dependencies.exists(d, d.complete && d.mismatches == 0 && d.notInLock == 0 && d.verified == d.fetched && d.findings.all(f, f.severity != "high") && provenance.exists(p, p.runId == d.runId && p.builder == expected.builder))',
        reason: (i) => {
          const d = i.dependencies[0];
          const high =
            d?.findings.filter((f) => f.severity === 'high').map((f) => `${f.kind} ${f.subject}`) ?? [];
          return `expected every fetched dependency to match the lock file, found ${d?.verified} of ${d?.fetched} verified, ${d?.mismatches} different, ${d?.notInLock} not in the lock file; findings: ${listed(high)}`;
        },
        fix: () =>
          'remove or pin the dependency in the lock file (npm install <package>@<version>), commit, run again',
      },
    ],
  },
  'commit-signed': {
    summary: 'the commit carries a signature of an allowed signer',
    parameters: [],
    clauses: () => [
      {
        cel: `sources.exists(s, s.signed && s.repository == expected.repository && provenance.exists(p, p.commit == s.commit && p.builder == expected.builder))`,
        reason: (i) =>
          `expected a commit signed by an allowed signer, found ${listed(i.sources.map((s) => (s.signed ? `signed by ${s.signer}` : 'no valid signature')))}`,
        fix: () =>
          'sign the commit (git commit -S) with a key listed in the allowed signers, push, run again',
      },
    ],
  },
  soaked: {
    summary: 'healthy in the previous environment for a time',
    parameters: ['for'],
    clauses: (parameters) => {
      const seconds = secondsOf(parameters['for'] ?? '0s');
      return [
        {
          cel: 'environment.previous != "" && deployments.exists(d, d.project == project && d.service == service && d.environment == environment.previous && d.health == "Healthy")',
          reason: (i) =>
            `expected this digest to have run healthily in ${i.environment.previous || 'an earlier environment'}, found no such deployment`,
          fix: (i) => `sally promote ${i.subject.digest} ${i.environment.previous}`,
        },
        {
          cel: `previous.healthySeconds >= ${seconds}`,
          reason: (i) =>
            `expected ${seconds} s healthy in ${i.environment.previous}, found ${i.previous.healthySeconds} s${i.previous.healthy ? '' : ', and it is not healthy there now'}`,
          fix: (i) =>
            i.previous.healthy
              ? `wait: it is healthy in ${i.environment.previous} now`
              : `make it healthy in ${i.environment.previous}: sally promote ${i.subject.digest} ${i.environment.previous}`,
          waits: 'time',
          until: (i) => {
            if (!i.previous.healthy) return undefined;
            return new Date(
              i.now.getTime() + Math.max(1, seconds - Number(i.previous.healthySeconds)) * 1000,
            );
          },
        },
      ];
    },
  },
  approvals: {
    summary: 'enough different people agreed, none of whom is the author or the promoter',
    parameters: ['min', 'groups', 'not'],
    clauses: (parameters) => approvalClauses(parameters),
  },
};

/** Groups and exclusions come as comma-separated names, because parameters are strings. */
function approvalClauses(parameters: GateParameters): readonly Clause[] {
  const min = Number(parameters['min'] ?? '1');
  if (!Number.isInteger(min) || min < 1 || min > 10) {
    throw new Fault(
      'invalid',
      'release.gate_parameter',
      `approvals: expected min from 1 to 10, got ${parameters['min']}`,
    );
  }
  const groups = names(parameters['groups'] ?? '');
  const not = names(parameters['not'] ?? 'author,promoter');
  for (const name of not) {
    if (name === 'author' || name === 'promoter') continue;
    throw new Fault(
      'invalid',
      'release.gate_parameter',
      `approvals: expected not: author, promoter, got ${name}`,
    );
  }
  const conditions = [
    'a.project == project && a.service == service && a.environment == environment.name',
    ...(groups.length === 0
      ? []
      : [`a.groups.exists(g, g in [${groups.map((g) => JSON.stringify(g)).join(', ')}])`]),
    ...(not.includes('author') ? ['a.person != expected.author && !(a.person in expected.authors)'] : []),
    ...(not.includes('promoter') ? ['a.person != expected.promoter'] : []),
  ];
  const who = groups.length === 0 ? 'any person' : `a member of ${groups.join(' or ')}`;
  const exclusion = not.length === 0 ? '' : `, not the ${not.join(' or the ')}`;
  const clauses: Clause[] = [];
  if (not.includes('author')) {
    // A commit names any author it likes: while that name belongs to nobody we know, nobody can be told apart from it.
    clauses.push({
      cel: 'expected.author != ""',
      reason: () =>
        'expected the author of the commit to be a known person, found an e-mail address nobody here has',
      fix: () => 'create the person with that e-mail address: sally person add <name> --email <address>',
      waits: 'approval',
    });
  }
  clauses.push({
    cel: `approvals.atLeast(${min}, a, ${conditions.join(' && ')})`,
    reason: (i) =>
      `expected ${min} approval${min === 1 ? '' : 's'} by ${who}${exclusion}, found ${listed(i.approvals.filter((a) => a.environment === i.environment.name).map((a) => a.person))}`,
    fix: (i) => `as ${who}${exclusion}: sally approve ${i.subject.digest} ${i.environment.name}`,
    waits: 'approval',
  });
  return clauses;
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function secondsOf(duration: string): number {
  try {
    return parseDuration(duration);
  } catch (cause) {
    throw new Fault(
      'invalid',
      'release.gate_parameter',
      `soaked: expected a duration such as 1h, got ${duration}`,
      {
        cause,
      },
    );
  }
}

/** The clauses of a library gate. Unknown names and parameters are refused: a misspelt control is no control. */
export function libraryClauses(name: string, parameters: GateParameters, where: string): readonly Clause[] {
  const gate = Object.hasOwn(library, name) ? library[name] : undefined;
  if (gate === undefined) {
    throw new Fault(
      'invalid',
      'release.gate_unknown',
      `${where}: expected a gate of the library, got ${name}`,
      {
        hint: `the library has ${Object.keys(library).join(', ')}`,
        details: { where },
      },
    );
  }
  for (const key of Object.keys(parameters)) {
    if (gate.parameters.includes(key)) continue;
    throw new Fault('invalid', 'release.gate_parameter', `${where}: ${name} has no parameter ${key}`, {
      hint: gate.parameters.length === 0 ? 'it has none' : `it has ${gate.parameters.join(', ')}`,
      details: { where },
    });
  }
  return gate.clauses(parameters);
}

export const librarySummaries: ReadonlyArray<{
  name: string;
  summary: string;
  parameters: readonly string[];
}> = Object.entries(library).map(([name, { summary, parameters }]) => ({ name, summary, parameters }));
