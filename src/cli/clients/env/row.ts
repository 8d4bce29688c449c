import type { CommandRow } from '../../command/command-row.ts';

export const ENV: CommandRow = {
  name: 'env',
  group: 'Point clients at it',
  summary: 'print the variables that point programs at the proxy',
  details: 'The lines include the proxy token, if one is set. Without --shell, kmi prints the syntax of $SHELL.',
  examples: ['eval "$(kmi env)"', 'kmi env --shell fish | source', 'kmi env --shell powershell | Out-String | Invoke-Expression'],
  options: [{ flags: '--shell <bash|zsh|fish|powershell>', help: 'the syntax to print' }],
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
