import { openPrompter, PromptEnded, type Prompter } from '../ui/prompt.ts';
import type { CommandContext } from './context.ts';

const INTERRUPTED = 130;

/** Runs work that asks questions. Ctrl+C at one ends with 130, an input that is over with 1; `left` says what stands then. */
export async function withPrompter(
  { err }: CommandContext,
  left: string,
  work: (prompter: Prompter) => Promise<number>,
): Promise<number> {
  const prompter = openPrompter({ stdin: process.stdin, output: process.stderr });
  try {
    return await work(prompter);
  } catch (error) {
    if (!(error instanceof PromptEnded)) throw error;
    err(error.reason === 'interrupt' ? `Interrupted. ${left}` : `The input ended before the question was answered. ${left}`);
    return error.reason === 'interrupt' ? INTERRUPTED : 1;
  } finally {
    prompter.close();
  }
}
