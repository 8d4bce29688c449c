import { defineConfig } from 'vitest/config';
import { RETRIES } from './tests/support/real-time.ts';

const FAULTS = 'tests/faults/**/*.test.ts';

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'usual', include: ['tests/**/*.test.ts'], exclude: [FAULTS, 'tests/clients/**', '**/node_modules/**'] },
      },
      // Tests in a terminal are the third kind that is tried again: tests/support/tmux.ts.
      { extends: true, test: { name: 'faults', include: [FAULTS], retry: RETRIES } },
    ],
    pool: 'forks',
    setupFiles: ['tests/support/property-seed.ts', 'tests/support/node-warnings.ts'],
    // Tests of the built binary start further processes; more workers make them wait for each other.
    maxWorkers: 2,
    // For a machine that is busy with other work; what is waited for comes in a fraction of it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000, interval: 20 } },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['json'],
      reportsDirectory: 'coverage/unit',
    },
  },
});
