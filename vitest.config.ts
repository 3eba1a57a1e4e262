import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Test files and the programs they start load a thousand modules each; compiled once, all of them start faster.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(
  new URL('./node_modules/.cache/sallyport/test-code', import.meta.url),
);

/** What takes long by its nature: killed processes, counted system calls, real downloads, foreign programs. */
export const slowTests = [
  '**/crash.test.ts',
  '**/*.slow.test.ts',
  'tests/crash/**/*.test.ts',
  'tests/replicas/**/*.test.ts',
  'tests/interop/**/*.test.ts',
];

export const shared = {
  globalSetup: ['tests/support/global-setup.ts'],
  // By default one core of two stands idle. A server test takes a few hundred megabytes, so there is a bound as well.
  maxWorkers: Math.min(8, availableParallelism()),
  testTimeout: 30_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    ...shared,
    include: ['packages/*/src/**/*.test.ts', 'tools/**/*.test.ts', 'tests/**/*.test.ts'],
    exclude: ['**/node_modules/**', ...slowTests],
  },
});
