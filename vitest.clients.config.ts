import { defineConfig } from 'vitest/config';
import { RETRIES } from './tests/support/real-time.ts';

/** Real clients: fetched by npx, one at a time. */
export default defineConfig({
  test: {
    include: ['tests/clients/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['tests/support/node-warnings.ts'],
    maxWorkers: 1,
    retry: RETRIES,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
});
