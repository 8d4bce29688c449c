import { shellQuote } from '../../../core/clients/shell-quote.ts';
import { valueCases, wanted } from './cases.ts';
import type { CompletedCommand } from './words.ts';

/** Works with bash 3.2, which macOS ships: no `compopt` needed, no associative arrays, no bash-completion package. */
export function renderBash(commands: readonly CompletedCommand[]): string {
  const known = commands.map(({ name }) => name).filter((name) => name !== '');
  const values = valueCases(commands);
  return `# Completion of kmi for bash. In ~/.bashrc:  source <(kmi completion bash)
_kmi_candidates() {
  local value="$1" option="$2" command="" operands=0 want="" flags="" words="" word
  shift 2
  for word in "$@"; do
    case "$word" in -*) continue ;; esac
    case "\${command:+$command }$word" in
      ${known.map(shellQuote).join('|')}) [ "$operands" -eq 0 ] && command="\${command:+$command }$word" || operands=$((operands + 1)) ;;
      *) operands=$((operands + 1)) ;;
    esac
  done
  case "$command" in
${commands.map(commandCase).join('\n')}
  esac
  case "$command $option" in
${values.join('\n')}
    *)
      case "$value" in -*) want="words $flags" ;; esac
      [ -z "$want" ] && want="$words"
      [ -z "$want" ] && want="words $flags"
      ;;
  esac
  case "$want" in
    labels | requests) command kmi completion "--$want" 2>/dev/null ;;
    files) printf '%s\\n' '*files' ;;
    command) printf '%s\\n' '*command' ;;
    words*) for word in \${want#words}; do printf '%s\\n' "$word"; done ;;
  esac
}
_kmi() {
  local line="\${COMP_LINE:0:COMP_POINT}" typed value option kept="" drop given
  typed="\${line##*[[:space:]]}"
  value="$typed"
  # From the line itself: bash's own words are cut at = and @, too.
  read -a given <<< "\${line%"$typed"}"
  option="\${given[\${#given[@]}-1]}"
  case "$typed" in --*=*) option="\${typed%%=*}" value="\${typed#*=}" kept="\${typed%%=*}=" ;; esac
  # Readline replaces its own idea of the word, "$2", which begins at an = or @ inside ours.
  drop="\${typed%"$2"}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      '*files') while IFS= read -r line; do COMPREPLY+=("$kept$line"); done < <(compgen -f -- "$value") ;;
      '*command') while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$value") ;;
      "$value"*) line="$kept$line"; COMPREPLY+=("$(printf '%q' "\${line#"$drop"}")") ;;
    esac
  done < <(_kmi_candidates "$value" "$option" "\${given[@]:1}")
}
complete -F _kmi kmi
`;
}

function commandCase({ name, subcommands, flags, operands }: CompletedCommand): string {
  const names = flags.flatMap((flag) => flag.names).join(' ');
  const [first = { kind: 'nothing' }, ...rest] = operands;
  const later = rest[0] ?? first;
  const words = subcommands.length > 0 ? `'words ${subcommands.map(({ word }) => word).join(' ')}'` : wanted(first);
  const choice =
    subcommands.length > 0 || rest.length > 0
      ? `[ "$operands" -eq 0 ] && words=${words} || words=${wanted(later)}`
      : `words=${words}`;
  return `    ${shellQuote(name)}) flags=${shellQuote(names)}; ${choice} ;;`;
}
