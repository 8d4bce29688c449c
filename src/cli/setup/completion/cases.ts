import { shellQuote } from '../../../core/clients/shell-quote.ts';
import type { Completed, CompletedCommand } from './words.ts';

/** One branch of a `case` for each option that takes a value, in the words that bash and zsh share: what its value can be. */
export function valueCases(commands: readonly CompletedCommand[]): readonly string[] {
  return commands.flatMap((command) =>
    command.flags.flatMap(({ names, value }) =>
      value === null
        ? []
        : [`    ${names.map((name) => shellQuote(`${command.name} ${name}`)).join('|')}) want=${wanted(value)} ;;`],
    ),
  );
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
