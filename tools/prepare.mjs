// After `npm ci`: makes once, for everybody here, what first starts would make each for itself, an empty database
// cluster and compiled code. Nothing needs it, so nothing fails without it.
import { spawnSync } from 'node:child_process';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const bin = (path) => fileURLToPath(new URL(`../packages/${path}`, import.meta.url));
try {
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/sallyport/code', import.meta.url)));
  const { prepareCluster } = await import('../packages/server/src/platform/db/cluster.ts');
  await prepareCluster();
  for (const [program, ...args] of [
    ['cli/bin/sally.mjs', '--help'],
    ['server/bin/sallyport-server.mjs', 'config'],
    // Any word it does not know: it says so after it has read all of its code.
    ['agent/bin/sallyport-agent.mjs', 'nothing'],
  ]) {
    spawnSync(process.execPath, [bin(program), ...args], { stdio: 'ignore' });
  }
} catch (error) {
  console.warn(`first starts will be slower: ${error instanceof Error ? error.message : String(error)}`);
}
