import { createInterface } from 'node:readline/promises';
import { KmiError } from '../errors.ts';

/** Asks on the terminal; only `y` and `yes` mean yes. Throws `bad_usage` when there is nobody to ask. */
export async function askYesNo(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) {
    throw new KmiError('bad_usage', `${question} There is no terminal to ask on, so nothing was done.`, {
      hint: 'Add -y to do it without being asked.',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
