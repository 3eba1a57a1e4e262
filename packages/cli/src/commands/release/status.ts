import type { EnvironmentStatusView, TraceEntryView, WhyView } from '@sallyport/contract';
import type { Command } from '../../command.ts';
import { connect, digestOf, placeFlags, placeOf, projectFlag, projectOf, short } from '../../connect.ts';
import { table } from '../../printer.ts';

export const status: Command = {
  name: ['status'],
  summary: 'what shall run and what runs, per environment: sync, health, drift, what is under way',
  flags: projectFlag,
  examples: ['sally status', 'sally status --project orders --json'],
  run: async (invocation) => {
    const found = await connect(invocation).releases.status(projectOf(invocation));
    invocation.out.data(found, () => renderStatus(found));
    return undefined;
  },
};

function renderStatus(found: readonly EnvironmentStatusView[]): string {
  const head = ['ENVIRONMENT', 'DESIRED', 'RUNNING', 'SYNC', 'HEALTH', 'ADDRESS', 'PROMOTION'];
  const rows = found.map((each) => [
    each.environment,
    short(each.desired?.digest),
    short(each.running),
    each.sync,
    each.health,
    each.address ?? '-',
    each.promotion === undefined ? '-' : `${short(each.promotion.digest)} ${each.promotion.state}`,
  ]);
  const notes = found.flatMap((each) => [
    ...(each.hold === undefined ? [] : [`${each.environment}: held: ${each.hold}`]),
    ...(each.refusal === undefined
      ? []
      : [`${each.environment}: ${each.refusal.message} [${each.refusal.code}]`]),
    ...each.drift
      .slice(-3)
      .map(
        (drift) =>
          `${each.environment}: ${drift.at.slice(11, 19)} ${drift.kind} ${drift.path ?? ''}${drift.corrected ? ', corrected' : ''}`,
      ),
  ]);
  return [table(head, rows), ...notes].join('\n');
}

export const why: Command = {
  name: ['why'],
  summary: 'which gates let a digest into an environment, which do not, and what would satisfy them',
  args: [
    { name: 'DIGEST', doc: 'sha256:… or the first six or more of its digits' },
    { name: 'ENVIRONMENT', doc: 'where to' },
  ],
  flags: placeFlags,
  examples: ['sally why 4f8a12c9 prod'],
  run: async (invocation) => {
    const client = connect(invocation);
    const digest = await digestOf(invocation, client, invocation.arg(0));
    const answer = await client.releases.why(placeOf(invocation, invocation.arg(1)), digest);
    invocation.out.data(answer, () => renderWhy(answer));
    return undefined;
  },
};

function renderWhy(answer: WhyView): string {
  return [
    `${short(answer.digest)} in ${answer.environment}: ${answer.outcome}`,
    ...answer.gates.map(
      (gate) => `  ${gate.passed ? 'pass  ' : 'refuse'}  ${gate.gate.padEnd(22)}  ${gate.reason}`,
    ),
    ...answer.rejected.map((each) => `  not believed  ${each.id}: ${each.reason}`),
    ...(answer.next.length === 0 ? [] : ['to go on:', ...answer.next.map((each) => `  ${each}`)]),
  ].join('\n');
}

export const trace: Command = {
  name: ['trace'],
  summary: 'everything that happened to a digest, in order, each with its place in the ledger',
  args: [{ name: 'DIGEST', doc: 'sha256:… or the first six or more of its digits' }],
  flags: projectFlag,
  examples: ['sally trace 4f8a12c9', 'sally trace 4f8a12c9 --json'],
  run: async (invocation) => {
    const client = connect(invocation);
    const digest = await digestOf(invocation, client, invocation.arg(0));
    const entries = await client.releases.trace(projectOf(invocation), digest);
    invocation.out.data(entries, () => table(['TIME', 'LEAF', 'WHAT', 'WHO', 'ABOUT'], entries.map(row)));
    return undefined;
  },
};

function row(entry: TraceEntryView): string[] {
  const what = entry.kind === 'evidence' ? `evidence ${evidenceName(entry.type)}` : entry.type;
  return [entry.time.slice(11, 23), String(entry.logIndex ?? '-'), what, entry.actor ?? '-', about(entry)];
}

/** `https://slsa.dev/provenance/v1` reads `provenance`. */
function evidenceName(type: string): string {
  const parts = type.split('/').filter((part) => !/^v[0-9.]+$/.test(part));
  return parts.at(-1) ?? type;
}

function about(entry: TraceEntryView): string {
  const detail = typeof entry.detail === 'object' && entry.detail !== null ? { ...entry.detail } : {};
  const fields: Record<string, unknown> = detail;
  const shown = ['key', 'environment', 'from', 'to', 'reason', 'outcome']
    .filter((name) => typeof fields[name] === 'string' && fields[name] !== '')
    .map((name) => String(fields[name]));
  return shown.join(' ').slice(0, 100) || entry.resource;
}
