import { defineConfig } from 'vitest/config';
import { RETRIES } from './tests/support/real-time.ts';
import SlowFirst from './tests/support/slow-first.ts';

/** These start no process, open no socket and leave nothing behind: they share a worker, which is quicker than one for each. */
const PURE = ['tests/core/**/*.test.ts', 'tests/terminal/!(trace-window).test.ts'];
const FAULTS = 'tests/faults/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    // Tests of the built binary start further processes; more workers make them wait for each other.
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['json'],
      reportsDirectory: 'coverage/unit',
    },
    setupFiles: ['tests/support/property-seed.ts', 'tests/support/node-warnings.ts'],
    // For a machine that is busy with other work; what is waited for comes in a fraction of it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000, interval: 20 } },
    projects: [
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
      {
        extends: true,
        test: {
          name: 'usual',
          include: ['tests/**/*.test.ts'],
          exclude: [FAULTS, 'tests/clients/**', '**/node_modules/**', ...PURE],
        },
      },
      // Tests in a terminal are the third kind that is tried again: tests/support/tmux.ts.
      { extends: true, test: { name: 'faults', include: [FAULTS], retry: RETRIES } },
    ],
  },
});
