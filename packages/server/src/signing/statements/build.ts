import type { Dependencies, Digest, Predicates, Run, Source } from '@sallyport/formats';
import { digestHex, Fault } from '@sallyport/formats';
import { contentOf, type StatementContent, sentence } from './content.ts';

/** Statements about a run, besides its provenance. */

export function runStatement(run: Run): StatementContent {
  return contentOf('run', run);
}

export function sourceStatement(source: Source): StatementContent {
  return contentOf('source', source);
}

export function dependenciesStatement(dependencies: Dependencies): StatementContent {
  const findings = dependencies.findings.map((finding) => ({
    ...finding,
    message: sentence(finding.message),
  }));
  return contentOf('dependencies', { ...dependencies, findings });
}

export function sbomStatement(sbom: Predicates['cyclonedx']): StatementContent {
  return contentOf('cyclonedx', sbom);
}

/** What one verify step showed. */
export interface TestRecord {
  readonly runId: string;
  readonly step: string;
  readonly passed: boolean;
  readonly logDigest: Digest;
}

export function testResultStatement(record: TestRecord): StatementContent {
  return contentOf('testResult', {
    result: record.passed ? 'PASSED' : 'FAILED',
    configuration: [
      {
        name: record.step,
        uri: testUri(record.runId, record.step),
        digest: { sha256: digestHex(record.logDigest) },
        mediaType: 'text/plain',
      },
    ],
    ...(record.passed ? { passedTests: [record.step] } : { failedTests: [record.step] }),
  });
}

const testUriForm = /^sallyport:runs\/([A-Za-z0-9][A-Za-z0-9_.:-]{0,99})\/steps\/([a-z0-9-]{1,63})$/;

function testUri(runId: string, step: string): string {
  const uri = `sallyport:runs/${runId}/steps/${step}`;
  if (!testUriForm.test(uri)) {
    throw new Fault('invalid', 'signing.test_name', `expected a run and a step, got ${uri.slice(0, 200)}`);
  }
  return uri;
}

/** Which run and step a test result of ours is about; undefined for a result of somebody else's form. */
export function testedStep(
  result: Predicates['testResult'],
): { readonly runId: string; readonly step: string } | undefined {
  const [first, second] = result.configuration;
  const [, runId, step] = testUriForm.exec(first?.uri ?? '') ?? [];
  if (second !== undefined || runId === undefined || step === undefined) return undefined;
  return { runId, step };
}
