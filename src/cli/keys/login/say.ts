import type { CommandContext } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { sayFollowing } from '../../proxy/proxy-words.ts';
import type { TestResult } from '../test/words.ts';
import type { TakenIn } from './take-in.ts';
import { takenInLines } from './words.ts';

/** That a login is a member of the pool now, and what is worth knowing about it. */
export function sayTakenIn(context: CommandContext, taken: TakenIn, test: TestResult): void {
  const { result, notes } = takenInLines(taken, test, { ...context, now: Date.now(), zone: context.config.timezone });
  tell(context, `${result} ${sayFollowing(context, 'uses it', { isLogin: true })}`);
  for (const note of notes) context.err(note);
}
