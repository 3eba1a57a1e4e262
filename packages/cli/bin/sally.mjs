#!/usr/bin/env node
// Plain JavaScript, so that an old Node can say what is wrong, and a new one need not load its TypeScript stripper
// when everything else comes from the cache: that alone is 20 MB and a third of the start.
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(`sally: error: expected Node.js 24.15 or newer, got ${process.versions.node}\n`);
  process.stderr.write('sally: hint: npx sally uses the one that npm ci installed\n');
  process.exit(1);
}
// Beside the code: who may write there may write the code too. Node's default, in /tmp, anybody may fill.
module.enableCompileCache(
  fileURLToPath(new URL('../../../node_modules/.cache/sallyport/code', import.meta.url)),
);
await import('../src/main.ts');
