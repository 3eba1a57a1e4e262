import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ExportReport,
  Fault,
  fromUtf8,
  parseTrustRoot,
  type Revocations,
  requireFresh,
  type TrustRoot,
  verifyExport,
  verifyRevocations,
} from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { readNamed } from '../../input.ts';
import { table } from '../../printer.ts';
import { revocationsFile } from './export.ts';

/** Larger files are no part of an export; reading stops before memory is gone. */
const maxFileBytes = 2 * 1024 ** 3;

export const verify: Command = {
  name: ['verify'],
  summary: 'verify an exported release with a trust root and nothing else: no server, no network',
  args: [{ name: 'DIR', doc: 'what sally evidence export wrote' }],
  flags: {
    'trust-root': {
      type: 'string',
      value: 'FILE',
      doc: 'the pinned trust root (sally trust-root prints it)',
    },
    environment: {
      type: 'string',
      short: 'e',
      value: 'NAME',
      doc: 'also demand that the last verdict for it passed',
    },
    revocations: {
      type: 'string',
      value: 'FILE',
      doc: 'a newer revocation list than the export has (sally revocations list --json, its bundle)',
    },
    at: {
      type: 'string',
      value: 'TIME',
      doc: 'the time the list must be valid at, for an audit of the past; default now',
    },
  },
  examples: [
    'sally verify ./release --trust-root trust-root.json',
    'sally verify ./release --trust-root trust-root.json -e prod',
  ],
  run: async ({ arg, flag, out }) => {
    const rootFile = flag('trust-root');
    if (rootFile === undefined) {
      throw new Fault('invalid', 'cli.usage', 'expected --trust-root, got nothing', {
        hint: 'sally trust-root > trust-root.json, once, over a way you trust',
      });
    }
    const environment = flag('environment');
    const trustRoot = parseTrustRoot(readNamed(rootFile));
    const done = out.progress(`verifying ${arg(0)}`);
    const revocations = await listOf(arg(0), trustRoot, flag('revocations'), flag('at'));
    const report = await verifyExport(
      (path) => readInside(arg(0), path),
      trustRoot,
      environment === undefined ? { revocations } : { environment, revocations },
    ).finally(done);
    out.data(summary(report), () => render(report));
    return undefined;
  },
};

/** The newest revocations the reader has. Missing or too old refuses: what was withdrawn since would pass unseen. */
async function listOf(
  directory: string,
  trustRoot: TrustRoot,
  newer: string | undefined,
  at: string | undefined,
): Promise<Revocations> {
  const now = at === undefined ? new Date() : new Date(at);
  if (Number.isNaN(now.getTime())) {
    throw new Fault(
      'invalid',
      'cli.usage',
      `expected --at to be a time as 2026-11-20T10:00:00Z, got '${at}'`,
    );
  }
  const text =
    newer === undefined ? fromUtf8(await readInside(directory, revocationsFile)) : readNamed(newer);
  const verified = verifyRevocations(text, trustRoot);
  requireFresh(verified, now);
  return verified.list;
}

async function readInside(directory: string, path: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(join(directory, path));
    if (bytes.length > maxFileBytes) throw new Error(`larger than ${maxFileBytes} bytes`);
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new Fault(
      'integrity',
      'cli.export_incomplete',
      `expected ${path} in ${directory}, could not read it`,
      { cause },
    );
  }
}

function summary(report: ExportReport): object {
  return {
    verified: true,
    subject: report.subject,
    layers: report.layers,
    imageBytes: report.imageBytes,
    evidence: report.evidence.map(({ predicateType, logIndex, bundleDigest }) => ({
      predicateType,
      logIndex,
      bundleDigest,
    })),
    ...(report.verdict === undefined ? {} : { verdict: report.verdict.verdict.verificationResult }),
  };
}

function render(report: ExportReport): string {
  return [
    `verified ${report.subject}`,
    `${report.layers} layers, ${report.imageBytes} bytes, ${report.evidence.length} pieces of evidence`,
    '',
    table(
      ['LEAF', 'STATEMENT'],
      report.evidence.map((each) => [String(each.logIndex), each.predicateType]),
    ),
    ...(report.verdict === undefined
      ? []
      : ['', `the gates of ${report.verdict.verdict.resourceUri} passed it`]),
  ].join('\n');
}
