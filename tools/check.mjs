// `npm run check`: everything but the tests, side by side, each named with its time. Fails when one fails.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packages = readdirSync(new URL('../packages/', import.meta.url)).filter((name) =>
  existsSync(new URL(`../packages/${name}/tsconfig.json`, import.meta.url)),
);
const node = (...args) => [process.execPath, ...args];
const bin = (name, ...args) => [
  fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url)),
  ...args,
];

// The slow ones first, so that the short ones fill the gaps.
const tasks = [
  ['biome', bin('biome', 'check', '--error-on-warnings', '.')],
  ['knip', bin('knip', '--no-progress')],
  ['imports', node('tools/own-checks.mjs', '--imports')],
  ...packages.map((name) => [`types ${name}`, bin('tsc', '-p', `packages/${name}`)]),
  ['types root', bin('tsc', '-p', '.')],
  ['own checks', node('tools/own-checks.mjs')],
  ['documents made from code', node('tools/documents.mjs', '--check')],
];

function run([name, [command, ...args]]) {
  return new Promise((resolve) => {
    const started = performance.now();
    let output = '';
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => keep(`${error.message}\n`));
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
      if (code !== 0) console.log(output.trimEnd().replace(/^/gm, '     '));
      resolve({ name, ok: code === 0 });
    });
  });
}

const started = performance.now();
const queue = [...tasks];
const results = [];
async function worker() {
  for (let task = queue.shift(); task !== undefined; task = queue.shift()) results.push(await run(task));
}
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));

const failed = results.filter(({ ok }) => !ok).map(({ name }) => name);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  failed.length === 0
    ? `all ${results.length} checks passed in ${seconds} s`
    : `failed: ${failed.join(', ')} (${seconds} s)`,
);
process.exit(failed.length === 0 ? 0 : 1);
