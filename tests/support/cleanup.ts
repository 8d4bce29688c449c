import { afterAll } from 'vitest';

const tasks: (() => Promise<void>)[] = [];

/** Runs the task when the test file is done, the newest first: a process stops before the home it writes to goes. */
export function cleanUp(task: () => Promise<void>): void {
  tasks.push(task);
}

// Every test file loads this module anew, so this hook belongs to the file that imports it.
afterAll(async () => {
  const failures: unknown[] = [];
  for (const task of tasks.splice(0).reverse()) await task().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
});
