import { defineConfig } from 'vitest/config';
import { RETRIES } from './tests/support/real-time.ts';

/**
 * The fault suite alone; `--long` (scripts/test.ts) makes it the long form. One file at a time there: what is measured
 * should not wait for another test, nor be measured twice.
 */
const isLong = process.env.KMI_FAULTS === 'long';

export default defineConfig({
  test: {
    include: ['tests/faults/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['tests/support/property-seed.ts', 'tests/support/node-warnings.ts'],
    retry: isLong ? 0 : RETRIES,
    maxWorkers: isLong ? 1 : 2,
    testTimeout: isLong ? 120_000 : 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000, interval: 20 } },
  },
});
