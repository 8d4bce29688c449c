import type { Completed, CompletedCommand, CompletedFlag } from './words.ts';

export function renderFish(commands: readonly CompletedCommand[]): string {
  const known = commands.map(({ name }) => name).filter((name) => name !== '');
  return `# Completion of kmi for fish. Save it as ~/.config/fish/completions/kmi.fish, or:  kmi completion fish | source
function __kmi_words
    # The words of the command so far, and how many operands follow them.
    set -l found
    set -l operands 0
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        set -l next (string join ' ' $found $word)
        if test $operands -eq 0; and contains -- $next ${known.map(quote).join(' ')}
            set found $next
        else
            set operands (math $operands + 1)
        end
    end
    echo (string join ' ' $found)
    echo $operands
end
function __kmi_at
    # At this command; with a second argument only at that operand, with "+" there and after.
    set -l at (__kmi_words)
    test "$at[1]" = "$argv[1]"; or return 1
    set -q argv[2]; or return 0
    set -q argv[3]; and test $at[2] -ge $argv[2]; and return 0
    test $at[2] -eq $argv[2]
end
function __kmi_after
    # The word before is one of these.
    contains -- (commandline -opc)[-1] $argv
end
complete -c kmi -f
${commands.flatMap(commandLines).join('\n')}
`;
}

function commandLines(command: CompletedCommand): string[] {
  const { name, subcommands, flags, operands, after } = command;
  const at = (rest = '') => `complete -c kmi -n ${quote(`__kmi_at ${quote(name)}${rest}`)}`;
  const places = operands.flatMap((operand, n) => {
    const offered = offer(operand);
    return offered === '' ? [] : [`${at(` ${n}${n === operands.length - 1 ? ' +' : ''}`)} ${offered}`];
  });
  return [
    ...subcommands.map(({ word, summary }) => `${at(' 0')} -a ${quote(word)} -d ${quote(summary)}`),
    ...places,
    ...after.map(({ words, value }) => `${at(` 1; and __kmi_after ${words.join(' ')}`)} ${offer(value)}`),
    ...flags.map((flag) => `${at()} ${flagText(flag)}`),
  ];
}

function flagText({ names, help, value }: CompletedFlag): string {
  const parts = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  if (value !== null) parts.push(value.kind === 'files' ? '-r -F' : `-x ${offer(value)}`.trim());
  return `${parts.join(' ')} -d ${quote(help)}`;
}

function offer(completed: Completed): string {
  switch (completed.kind) {
    case 'nothing':
      return '';
    case 'labels':
    case 'requests':
      return `-a '(command kmi completion --${completed.kind} 2>/dev/null)'`;
    case 'words':
      return `-a ${quote(completed.words.join(' '))}`;
    case 'files':
      return '-F';
    case 'command':
      return "-a '(__fish_complete_command)'";
  }
}

/** Inside single quotes fish reads only \\ and \'. */
function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
