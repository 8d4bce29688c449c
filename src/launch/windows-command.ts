type Command = { readonly file: string; readonly args: readonly string[]; readonly verbatim: boolean };

/**
 * Batch files (`kimi.cmd`, as npm installs it) can only be started by cmd.exe, which reads the arguments by rules of its own:
 * each is quoted for the program, then its special characters are escaped for cmd.exe, twice, because the batch file hands
 * them to a second command line. Programs are started as they are.
 */
export function windowsCommand(program: string, args: readonly string[], commandProcessor = 'cmd.exe'): Command {
  if (!/\.(cmd|bat)$/i.test(program)) return { file: program, args, verbatim: false };
  const line = [escapeForCmd(program), ...args.map((arg) => escapeForCmd(escapeForCmd(quote(arg))))].join(' ');
  return { file: commandProcessor, args: ['/d', '/s', '/c', `"${line}"`], verbatim: true };
}

/** Backslashes count only before a quote: there they are doubled. */
function quote(arg: string): string {
  return `"${arg.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, '$1$1')}"`;
}

function escapeForCmd(text: string): string {
  return text.replace(/[()\][%!^"`<>&|;, *?]/g, '^$&');
}
