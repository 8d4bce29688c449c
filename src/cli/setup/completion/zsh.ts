import { shellQuote } from '../../../core/clients/shell-quote.ts';
import { valueCases, wanted } from './cases.ts';
import type { CompletedCommand } from './words.ts';

export function renderZsh(commands: readonly CompletedCommand[]): string {
  const known = commands.map(({ name }) => name).filter((name) => name !== '');
  const values = valueCases(commands);
  return `#compdef kmi
# Completion of kmi for zsh. In ~/.zshrc, after compinit:  source <(kmi completion zsh)
# Or save it as _kmi in a folder of $fpath.
_kmi() {
  local cmd="" want="" word option typed="$PREFIX" i
  local -i operands=0
  local -a flags subcommands found
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    case "$word" in -*) continue ;; esac
    case "\${cmd:+$cmd }$word" in
      ${known.map(shellQuote).join('|')}) if ((operands == 0)); then cmd="\${cmd:+$cmd }$word"; else ((++operands)); fi ;;
      *) ((++operands)) ;;
    esac
  done
  option="\${words[CURRENT-1]}"
  case "$typed" in --*=*) option="\${typed%%=*}"; compset -P '*=' ;; esac
  case "$cmd" in
${commands.map(commandCase).join('\n')}
  esac
  case "$cmd $option" in
${values.join('\n')}
    *) case "$typed" in -*) want=flags ;; esac ;;
  esac
  case "$want" in
    subcommands) _describe -t commands 'command' subcommands ;;
    labels | requests) found=(\${(f)"$(command kmi completion --$want 2>/dev/null)"}); compadd -V found -a found ;;
    files) _files ;;
    command) _command_names -e ;;
    words*) compadd -- \${=want#words} ;;
    *) _describe -t options 'option' flags ;;
  esac
}
if [ "\${funcstack[1]-}" = _kmi ]; then
  _kmi "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
  compdef _kmi kmi
fi
`;
}

function commandCase({ name, subcommands, flags, operands }: CompletedCommand): string {
  const options = flags.flatMap(({ names, help }) => names.map((flag) => described(flag, help)));
  const words = subcommands.map(({ word, summary }) => described(word, summary));
  const [first = { kind: 'nothing' }, ...rest] = operands;
  const now = subcommands.length > 0 ? 'subcommands' : wanted(first);
  const later = subcommands.length > 0 ? "''" : wanted(rest[0] ?? first);
  return [
    `    ${shellQuote(name)})`,
    `      flags=(${options.join(' ')})`,
    ...(words.length === 0 ? [] : [`      subcommands=(${words.join(' ')})`]),
    `      if ((operands == 0)); then want=${now}; else want=${later}; fi ;;`,
  ].join('\n');
}

function described(word: string, help: string): string {
  return shellQuote(`${word.replaceAll(':', '\\:')}:${help.replaceAll(':', '\\:')}`);
}
