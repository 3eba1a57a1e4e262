import {
  type Circumstances,
  type EvidenceVariable,
  evidenceVariables,
  type FactName,
  factShapes,
} from '../../packages/server/src/release/policy/facts.ts';
import { librarySummaries } from '../../packages/server/src/release/policy/library.ts';

/** docs/gates.md: variables and types from the table that the CEL environment is made from, gates from the library. */
export function gatesDoc(): string {
  return [head, library(), own, variables(), types(), functions].join('\n');
}

/** The examples of the page. A test compiles each with the real compiler. */
export const gateExamples = {
  'known-signer': 'sources.exists(s, s.signed && s.signer in ["ada@example.com", "riley@example.com"])',
  'few-dependencies': 'dependencies.exists(d, d.complete && d.fetched < 400)',
  'two-of-security': 'approvals.atLeast(2, a, a.environment == environment.name && "security" in a.groups)',
  'compiled-under-seccomp': 'provenance.exists(p, "compile:seccomp" in p.isolation)',
} as const;

export const refusedExamples = [
  'tests.all(t, t.passed)',
  '!dependencies.exists(d, d.findings.size() > 0)',
  'deployments.size() == 0',
] as const;

const variableDocs: Readonly<Record<EvidenceVariable, string>> = {
  provenance: 'SLSA provenance: which run built this digest, from what, where',
  runs: 'runs that ended, with their steps',
  tests: 'results of verify steps',
  sboms: 'CycloneDX bills of materials',
  dependencies: 'what the lock file says against what the mirror served',
  sources: 'what was found about the signature of the commit',
  approvals: 'decisions of people to approve; one per person and place',
  deployments: 'what agents reported about this digest in an environment',
};

const circumstanceDocs: Readonly<Record<keyof Circumstances, readonly [type: string, doc: string]>> = {
  now: ['google.protobuf.Timestamp', 'when it is judged'],
  project: ['string', 'the project'],
  service: ['string', 'the service'],
  subject: ['Subject', 'the digest that is judged'],
  environment: [
    'Environment',
    'where it shall go, and the environment before that one (empty for the first)',
  ],
  expected: ['Expected', 'what the protected definition and this installation say it must be'],
  previous: ['Previous', 'how long this digest has been healthy in the environment before'],
};

const typeNames: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'bool',
  int: 'int',
  time: 'google.protobuf.Timestamp',
  strings: 'list(string)',
};

const celType = (type: string): string =>
  type.endsWith('[]') ? `list(${type.slice(0, -2)})` : (typeNames[type] ?? type);

function library(): string {
  const rows = librarySummaries.map(({ name, summary, parameters }) => [
    `\`${name}\``,
    summary,
    parameters.map((each) => `\`${each}\``).join(', ') || 'none',
  ]);
  return `## Ready gates\n\n${table(['gate', 'passes when', 'parameters'], rows)}\n${libraryNotes}`;
}

function variables(): string {
  const evidence = (Object.entries(evidenceVariables) as [EvidenceVariable, FactName][]).map(
    ([name, type]) => [`\`${name}\``, `list(${type})`, variableDocs[name]],
  );
  const rest = Object.entries(circumstanceDocs).map(([name, [type, doc]]) => [`\`${name}\``, type, doc]);
  const columns = ['variable', 'type', 'holds'];
  return [
    '## Variables',
    '',
    'Evidence about the digest. Each element is one statement whose signature, log proof and subject were verified just',
    'before; `evidence` is the digest of its bundle. It may only be asked to exist.',
    '',
    table(columns, evidence),
    'Circumstances, from the protected definition and the control plane. They may be used in any way.',
    '',
    table(columns, rest),
  ].join('\n');
}

function types(): string {
  const sections = Object.entries(factShapes).map(([name, fields]) => {
    const lines = Object.entries(fields).map(([field, type]) => `  ${field}: ${celType(type)}`);
    return `${name}\n${lines.join('\n')}`;
  });
  return `## Types\n\n\`\`\`text\n${sections.join('\n\n')}\n\`\`\`\n`;
}

function table(columns: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(columns) + line(columns.map(() => '---')) + rows.map(line).join('');
}

const head = `# Gates

Made by \`node tools/documents.mjs\` from \`packages/server/src/release/policy/{facts,library}.ts\`; do not edit.

A gate is a question about a digest and an environment, asked of verified evidence. All gates of an environment must
pass before a release enters it. The answer and its reasons are sealed as a SLSA verification summary, also when it is
a refusal. \`sally why DIGEST ENVIRONMENT\` asks without promoting.

Four gates are always judged and cannot be removed: \`signature-valid\` (some evidence about this digest verifies),
\`not-revoked\` (neither the digest nor all that says who built it is on the revocation list), \`provenance\` and
\`run-succeeded\`. An environment that lists no gates also gets \`tests-passed\`, \`sbom-complete\` and
\`dependencies-verified\`. \`promote.from\` and \`promote.soak\` add \`soaked\`; \`promote.approvals\` adds \`approvals\`.
`;

const libraryNotes = `
Parameters are text. \`soaked\`: \`for\` is a duration such as \`30m\` or \`24h\`. \`approvals\`: \`min\` is 1 to 10, \`groups\` are
names separated by commas (a member of any counts), \`not\` is \`author,promoter\` unless said otherwise.
`;

const own = `## Your own

Gates stand in \`sallyport.yaml\`, below an environment:

\`\`\`yaml
environments:
  prod:
    gates:
      - use: commit-signed
      - use: soaked
        with: { for: 24h }
${Object.entries(gateExamples)
  .map(([name, cel]) => `      - name: ${name}\n        cel: '${cel}'`)
  .join('\n')}
\`\`\`

The language is [CEL](https://cel.dev). An expression is checked when the definition is read: unknown names, wrong types
and expressions that are not a \`bool\` are refused with line and column, and nothing of such a definition takes effect.
An expression that fails while it is evaluated does not pass.

**Evidence may only be asked to exist**: \`exists(x, …)\` and \`atLeast(n, x, …)\`, joined by \`&&\`, \`||\` and \`?:\`. Whoever
can hide evidence must never gain by it, so what would come true when something is missing is refused:

${refusedExamples.map((each) => `- \`${each}\``).join('\n')}

Inside, \`x\` is one whole signed statement and may be judged in any way: \`dependencies.exists(d, d.findings.all(f,
f.severity != "high"))\`. \`isolation\` of a provenance holds \`step:protection\` for each that was in force:
\`seccomp\`, \`noNewPrivileges\`, \`capabilitiesDropped\`.
`;

const functions = `## Functions and bounds

CEL's standard functions and macros, without \`matches\` and \`cel.bind\`, and:

- \`glob(text, pattern): bool\`: \`*\` stands for anything without \`/\`, \`**\` for anything;
- \`list.atLeast(n, x, predicate): bool\`: the predicate holds for n elements. An element for which it fails with an error
  does not count.

An expression has at most 600 nodes, three nested comprehensions, and 200,000 looks into lists while it is evaluated;
beyond that the gate does not pass. The bound is counted, not timed, so that a busy machine gives the same verdict.
`;
