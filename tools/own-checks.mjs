// The repository's own small rules, each named in its output.
import { fileURLToPath } from 'node:url';
import * as architecture from '../architecture.mjs';
import { contextReadmes, documentPaths, fileLength, fileNames, knownLimits } from './checks/files.ts';
import { checkImports } from './checks/imports.ts';
import { machineNames, thisMachine } from './checks/machine.ts';
import { gitTree } from './checks/tree.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const tree = gitTree(root);
const checks = {
  'file names': fileNames,
  'file length': fileLength,
  'context readmes': contextReadmes,
  'known limits': knownLimits,
  'paths in documents': documentPaths,
  'machine names': machineNames(thisMachine(root)),
};

/** Fewer than this, and the check did not see the repository. */
const fewestModules = 150;

let failed = false;
function report(name, problems, note = '') {
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name}${note}`);
  for (const problem of problems) console.log(`     ${problem}`);
  failed ||= problems.length > 0;
}

if (process.argv.includes('--imports')) {
  const expected = tree.files.filter((path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path));
  const { problems, modules } = await checkImports(root, architecture, expected);
  const few = modules < fewestModules ? [`expected at least ${fewestModules} modules, read ${modules}`] : [];
  report('imports', [...few, ...problems], ` (${modules} modules read)`);
} else {
  for (const [name, check] of Object.entries(checks)) report(name, check(tree));
}
process.exit(failed ? 1 : 0);
