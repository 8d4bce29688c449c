import { afterAll } from 'vitest';

/** What Node prints of itself: `(node:12) MaxListenersExceededWarning: ...`, `(node:12) [DEP0190] DeprecationWarning: ...`. */
const WARNING = /^\(node:\d+\) (?:\[\w+\] )?\w*Warning: .*$/gm;

const allowed: RegExp[] = [];
const found: string[] = [];

/** For a test file in which a warning of Node's is what is to be seen. */
export function allowNodeWarning(pattern: RegExp): void {
  allowed.push(pattern);
}

/** The first warning of Node's in what a process printed; null when there is none. */
export function nodeWarningIn(printed: string): string | null {
  const warnings = printed.match(WARNING) ?? [];
  return warnings.find((warning) => !allowed.some((pattern) => pattern.test(warning))) ?? null;
}

/** Fails the test file, once it is through, if the process printed a warning. */
export function noteNodeWarnings(who: string, printed: string): void {
  const warning = nodeWarningIn(printed);
  if (warning !== null) found.push(`${who} printed a warning of Node's:\n${warning}`);
}

// The proxies of many tests run in this very process.
const onWarning = ({ name, message }: Error) => noteNodeWarnings('This test file', `(node:${process.pid}) ${name}: ${message}`);
process.on('warning', onWarning);

afterAll(() => {
  process.off('warning', onWarning);
  if (found.length > 0) throw new Error(found.join('\n'));
});
