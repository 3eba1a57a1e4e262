import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `npm run bench`: every benchmark of this folder, one after the other, so that none disturbs another. */
let failed = 0;
for (const file of readdirSync(new URL('.', import.meta.url)).sort()) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  if (!file.endsWith('.ts') || path === fileURLToPath(import.meta.url)) continue;
  console.log(`\n== ${file}`);
  if (spawnSync(process.execPath, [path], { stdio: 'inherit' }).status !== 0) failed += 1;
}
process.exitCode = failed === 0 ? 0 : 1;
