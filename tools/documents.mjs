// Writes the documents that are made from code; `--check` fails when one of them is another. The diff is for review.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as architecture from '../architecture.mjs';
import { commands } from '../packages/cli/src/commands/all.ts';
import { configurationDoc } from '../packages/server/src/platform/config/configuration-doc.ts';
import { gitTree } from './checks/tree.ts';
import { cliDoc } from './documents/cli.ts';
import { doorsDoc } from './documents/doors.ts';
import { gatesDoc } from './documents/gates.ts';
import { importsSection, withSection } from './documents/imports.ts';

const root = new URL('../', import.meta.url);
const documents = {
  'ARCHITECTURE.md': (found) => withSection(found, importsSection(architecture)),
  'docs/cli.md': () => cliDoc(commands),
  'docs/configuration.md': () => configurationDoc(),
  'docs/doors.md': () => doorsDoc(gitTree(fileURLToPath(root))),
  'docs/gates.md': () => gatesDoc(),
};

function found(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Absent: as wrong as outdated.
    return '';
  }
}

let outdated = false;
for (const [path, make] of Object.entries(documents)) {
  const file = new URL(path, root);
  const before = found(file);
  const wanted = make(before);
  if (wanted === before) continue;
  if (process.argv.includes('--check')) {
    console.error(`${path} is not current: run \`node tools/documents.mjs\` and read the diff`);
    outdated = true;
  } else {
    writeFileSync(file, wanted);
    console.log(`wrote ${path}`);
  }
}
process.exit(outdated ? 1 : 0);
