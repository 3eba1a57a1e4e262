// Adds up Vitest's JSON reports and closes with one line that any runner understands.
import { existsSync, readFileSync } from 'node:fs';

const totals = { passed: 0, failed: 0, skipped: 0 };
// First how many phases failed: one without tests, or whose tests all passed beside an error, must show in the line too.
const [failedPhases, ...files] = process.argv.slice(2);
for (const file of files) {
  if (!existsSync(file)) {
    // A suite that ended without a report did not run its tests: that must never look like none failing.
    console.error(`no report: ${file}`);
    totals.failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  // A file that could not even be loaded has no failed test, and is one.
  totals.failed += report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  totals.skipped += report.numPendingTests + (report.numTodoTests ?? 0);
}
totals.failed = Math.max(totals.failed, Number(failedPhases));
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;
