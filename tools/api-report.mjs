// Writes docs/doors.md, what every context exports; `--check` fails when it is another. The diff is for review.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { doorsDoc } from './checks/doors.ts';
import { gitTree } from './checks/tree.ts';

const file = new URL('../docs/doors.md', import.meta.url);
const wanted = doorsDoc(gitTree(fileURLToPath(new URL('..', import.meta.url))));
if (process.argv.includes('--check')) {
  let found = '';
  try {
    found = readFileSync(file, 'utf8');
  } catch {
    // Absent: as wrong as outdated.
  }
  if (found !== wanted) {
    console.error('docs/doors.md is not current: run `node tools/api-report.mjs` and read the diff');
    process.exit(1);
  }
} else {
  writeFileSync(file, wanted);
}
