import { defineConfig } from 'vitest/config';
import SlowFirst from './tests/support/slow-first.ts';

/** These start no process, open no socket and leave nothing behind: they share a worker, which is quicker than one for each. */
const PURE = ['tests/core/**/*.test.ts', 'tests/terminal/!(trace-window).test.ts'];

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
    setupFiles: ['tests/support/node-warnings.ts'],
    // Binaries, terminals and faults run in real time; on a busy machine one may come too late. Twice more, and it is a fault.
    retry: process.env.CI === undefined ? 0 : 2,
    // For a machine that is busy with other work; what is waited for comes in a fraction of it.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 15_000, interval: 20 } },
    projects: [
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
      {
        extends: true,
        test: {
          name: 'rest',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/clients/**', '**/node_modules/**', ...PURE],
        },
      },
    ],
  },
});
