import { Fault } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

interface Report {
  readonly ok: boolean;
  readonly treeSize: number;
  readonly rootHash: string;
  readonly events: number;
  readonly evidence: number;
  readonly resources: number;
  readonly checkpoints: number;
  readonly findings: ReadonlyArray<{
    readonly code: string;
    readonly where: string;
    readonly expected: string;
    readonly found: string;
  }>;
}

type Line =
  | { readonly progress: { readonly entries: number; readonly treeSize: number } }
  | { readonly report: Report }
  | { readonly error: string };

export const ledgerVerify: Command = {
  name: ['ledger', 'verify'],
  summary: 'replay the whole ledger, check every proof and signature, and compare the database with it',
  examples: ['sally ledger verify', 'sally ledger verify --json'],
  run: async (invocation) => {
    const { out } = invocation;
    const done = out.progress('replaying the ledger');
    const report = await connect(invocation)
      .transport.text('POST', '/api/ledger/verify', { timeoutMs: 3600_000 })
      .then(read)
      .finally(done);
    out.data(report, () => render(report));
    if (report.ok) return undefined;
    out.error(
      new Fault(
        'integrity',
        'ledger.findings',
        `the ledger does not agree: ${report.findings.length} findings`,
      ),
    );
    return 6;
  },
};

/** JSON lines: progress, then the report. */
function read(answer: string): Report {
  for (const text of answer.trim().split('\n')) {
    const line = JSON.parse(text) as Line; // our own server's lines, by its schema
    if ('report' in line) return line.report;
    if ('error' in line) throw new Fault('integrity', line.error, 'the ledger could not be replayed');
  }
  throw new Fault(
    'unavailable',
    'cli.no_report',
    'expected a report of the ledger, the answer ended without one',
  );
}

function render(report: Report): string {
  const facts = `${report.treeSize} leaves (${report.events} events, ${report.evidence} evidence), ${report.checkpoints} checkpoints, ${report.resources} rows compared`;
  if (report.ok) return `the ledger holds: ${facts}\nroot ${report.rootHash}`;
  const rows = report.findings.map((each) => [each.code, each.where, each.expected, each.found]);
  return [facts, table(['FINDING', 'WHERE', 'EXPECTED', 'FOUND'], rows)].join('\n');
}
