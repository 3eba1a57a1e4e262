import { Fault } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';

interface Source {
  readonly batches: number;
  readonly lines: number;
  readonly sealed: number;
  readonly difference?: { readonly place: number; readonly to?: number; readonly what: string };
}

interface Report {
  readonly ok: boolean;
  readonly audit: { readonly file: Source; readonly table: Source };
  readonly ledger: {
    readonly ok: boolean;
    readonly treeSize: number;
    readonly findings: ReadonlyArray<{ readonly code: string; readonly where: string }>;
  };
  readonly findings: ReadonlyArray<{
    readonly code: string;
    readonly where: string;
    readonly message: string;
  }>;
}

type Line = { readonly working: true } | { readonly report: Report } | { readonly error: string };

export const auditVerify: Command = {
  name: ['audit', 'verify'],
  summary: 'check that the audit is as it was written: every batch against its chain and the ledger',
  more: ['Ends with 6 when anything differs, and names the first batch that does.'],
  examples: ['sally audit verify', 'sally audit verify --json'],
  run: async (invocation) => {
    const { out } = invocation;
    const done = out.progress('comparing the audit with its chains and the ledger');
    const report = await connect(invocation)
      .transport.text('POST', '/api/audit/verify', { timeoutMs: 3600_000 })
      .then(read)
      .finally(done);
    out.data(report, () => render(report));
    if (report.ok) return undefined;
    out.error(new Fault('integrity', 'vault.audit_differs', 'the audit is not as it was written'));
    return 6;
  },
};

/** JSON lines: signs of life, then the report. */
function read(answer: string): Report {
  for (const text of answer.trim().split('\n')) {
    const line = JSON.parse(text) as Line; // our own server's lines
    if ('report' in line) return line.report;
    if ('error' in line) throw new Fault('integrity', line.error, 'the audit could not be read');
  }
  throw new Fault(
    'unavailable',
    'cli.no_report',
    'expected a report of the audit, the answer ended without one',
  );
}

function render({ audit, ledger, findings }: Report): string {
  return [
    sourceLine('journal file', audit.file),
    sourceLine('table', audit.table),
    `ledger: ${ledger.ok ? 'holds' : 'does not hold'}, ${ledger.treeSize} leaves`,
    ...ledger.findings.map(({ code, where }) => `  ${code}: ${where}`),
    ...findings.map(({ code, where, message }) => `${code}: ${message} (${where})`),
  ].join('\n');
}

function sourceLine(name: string, { batches, lines, sealed, difference }: Source): string {
  const facts = `${batches} batches, ${lines} lines, ${sealed} batches sealed into the ledger`;
  if (difference === undefined) return `${name}: holds, ${facts}`;
  const { place, to, what } = difference;
  const where = to === undefined ? `batch ${place}` : `one of the batches ${place} to ${to}`;
  return `${name}: ${where} is not as it was written (${what}); before it ${facts}`;
}
