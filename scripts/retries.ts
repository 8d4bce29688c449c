import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

/** A test that failed at first. */
export type Retried = {
  readonly file: string;
  readonly name: string;
  /** How often it was tried again. */
  readonly times: number;
  readonly passed: boolean;
  /** The first line of what the first try failed with. */
  readonly reason: string;
};

/** A reporter for vitest: writes the tests that were tried again, as JSON, to the file named by `KMI_TEST_RETRIES_FILE`. */
export default class RetriesReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const file = process.env.KMI_TEST_RETRIES_FILE;
    if (file !== undefined) writeFileSync(file, JSON.stringify(modules.flatMap(retriedIn)));
  }
}

function retriedIn(module: TestModule): Retried[] {
  return [...module.children.allTests()].flatMap((test) => {
    const times = test.diagnostic()?.retryCount ?? 0;
    if (times === 0) return [];
    const { state, errors = [] } = test.result();
    const [reason = ''] = (errors[0]?.message ?? '').split('\n');
    const file = relative(module.project.config.root, module.moduleId);
    return [{ file, name: test.fullName, times, passed: state === 'passed', reason }];
  });
}
