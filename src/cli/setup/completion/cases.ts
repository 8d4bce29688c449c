import { shellQuote } from '../../../core/clients/shell-quote.ts';
import type { Completed, CompletedCommand } from './words.ts';

/** A branch of a `case` for all that a value follows, options and settings, in the words that bash and zsh share: what it can be. */
export function valueCases(commands: readonly CompletedCommand[]): readonly string[] {
  return commands.flatMap(({ name: command, flags, after }) => {
    const branch = (words: readonly string[], value: Completed) =>
      `    ${words.map((word) => shellQuote(`${command} ${word}`)).join('|')}) want=${wanted(value)} ;;`;
    return [
      ...flags.flatMap(({ names, value }) => (value === null ? [] : [branch(names, value)])),
      ...after.map(({ words, value }) => branch(words, value)),
    ];
  });
}

/** What can stand somewhere, as the value of a shell variable. */
export function wanted(completed: Completed): string {
  switch (completed.kind) {
    case 'nothing':
      return "''";
    case 'words':
      return shellQuote(`words ${completed.words.join(' ')}`);
    default:
      return completed.kind;
  }
}
