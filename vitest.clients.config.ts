import { defineConfig } from 'vitest/config';
import { RETRIES } from './tests/support/real-time.ts';

/** Real clients: fetched by npx, one at a time. `--long` (scripts/test.ts) makes what has a long form that, and nothing is tried again. */
const isLong = process.env.KMI_FAULTS === 'long';

export default defineConfig({
  test: {
    include: ['tests/clients/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['tests/support/node-warnings.ts'],
    maxWorkers: 1,
    retry: isLong ? 0 : RETRIES,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
});
