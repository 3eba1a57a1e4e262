// Writes docs/configuration.md from the table of options; `--check` fails when it is another.
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationDoc } from '../packages/server/src/platform/config/configuration-doc.ts';

const file = new URL('../docs/configuration.md', import.meta.url);
const wanted = configurationDoc();
if (process.argv.includes('--check')) {
  let found = '';
  try {
    found = readFileSync(file, 'utf8');
  } catch {
    // Absent: as wrong as outdated.
  }
  if (found !== wanted) {
    console.error('docs/configuration.md is not current: run `node tools/configuration-doc.mjs`');
    process.exit(1);
  }
} else {
  writeFileSync(file, wanted);
}
