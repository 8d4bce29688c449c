import { KmiError } from '../../errors.ts';
import { openPrompter, PromptEnded } from './prompt.ts';

/** Asks on the terminal; Enter alone, Ctrl+C and Ctrl+D mean no. Throws `bad_usage` without a terminal. */
export async function askYesNo(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) {
    throw new KmiError('bad_usage', `${question} There is no terminal to ask on, so nothing was done.`, {
      hint: 'Add -y to do it without being asked.',
    });
  }
  const prompter = openPrompter({ stdin: process.stdin, output: process.stderr });
  try {
    return await prompter.confirm(question, false);
  } catch (error) {
    if (error instanceof PromptEnded) return false;
    throw error;
  } finally {
    prompter.close();
  }
}
