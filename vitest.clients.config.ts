import { defineConfig } from 'vitest/config';

/** Real clients: fetched by npx, one at a time. */
export default defineConfig({
  test: {
    include: ['tests/clients/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['tests/support/node-warnings.ts'],
    maxWorkers: 1,
    retry: process.env.CI === undefined ? 0 : 2,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
});
