import { defineConfig } from 'vitest/config';
import { shared, slowTests } from './vitest.config.ts';

/** Run by npm run test:crash, test:replicas, test:slow and test:interop, each with its part of the names. */
export default defineConfig({
  test: {
    ...shared,
    include: [...slowTests],
    // Kills and restarts of whole programs wait for real time to pass.
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
