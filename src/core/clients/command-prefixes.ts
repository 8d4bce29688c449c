/** A program that runs the command behind it: how to find where that begins. */
type Prefix = {
  /** Its options that take the next word as their value. */
  readonly valued: readonly string[];
  /** Options with which it runs nothing. */
  readonly runsNothing?: readonly string[];
  /** Words of its own before the command, such as the time of `timeout 60`. */
  readonly words?: number;
  /** `NAME=value` may go before the command. */
  readonly assigns?: true;
};

const PREFIXES: ReadonlyMap<string, Prefix> = new Map<string, Prefix>([
  ['env', { valued: ['-u', '--unset', '-C', '--chdir', '-P', '-a', '--argv0'], assigns: true }],
  ['sudo', sudo()],
  ['doas', { valued: ['-a', '-C', '-u'] }],
  ['nice', { valued: ['-n', '--adjustment'] }],
  ['ionice', { valued: ['-c', '--class', '-n', '--classdata', '-p', '--pid'] }],
  ['nohup', { valued: [] }],
  ['setsid', { valued: [] }],
  ['stdbuf', { valued: ['-i', '--input', '-o', '--output', '-e', '--error'] }],
  ['timeout', { valued: ['-k', '--kill-after', '-s', '--signal'], words: 1 }],
  ['gtimeout', { valued: ['-k', '--kill-after', '-s', '--signal'], words: 1 }],
  ['time', { valued: ['-f', '--format', '-o', '--output'] }],
  ['gtime', { valued: ['-f', '--format', '-o', '--output'] }],
  ['command', { valued: [], runsNothing: ['-v', '-V'] }],
  ['caffeinate', { valued: ['-t', '-w'] }],
  ['winpty', { valued: [] }],
]);

function sudo(): Prefix {
  const short = ['-a', '-C', '-c', '-D', '-g', '-h', '-p', '-R', '-r', '-T', '-t', '-U', '-u'];
  const long = ['--close-from', '--chdir', '--group', '--host', '--prompt', '--chroot', '--role', '--type', '--user'];
  return {
    valued: [...short, ...long, '--command-timeout', '--other-user'],
    runsNothing: ['-e', '--edit', '-l', '--list', '-v', '--validate', '-K', '--remove-timestamp'],
    assigns: true,
  };
}

/** Where the command begins among the arguments of `env`, `sudo`, `timeout` and the like; null: this runs none. */
export function commandBehind(name: string, args: readonly string[]): number | null {
  const prefix = PREFIXES.get(name);
  if (prefix === undefined) return null;
  let at = 0;
  for (; args[at]?.startsWith('-') === true; at++) {
    const option = args[at] as string;
    if (prefix.runsNothing?.includes(option) === true) return null;
    if (option === '--') {
      at++;
      break;
    }
    if (prefix.valued.includes(option)) at++;
  }
  at += prefix.words ?? 0;
  while (prefix.assigns === true && /^\w+=/.test(args[at] ?? '')) at++;
  return at < args.length ? at : null;
}
