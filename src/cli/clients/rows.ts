import type { CommandRow } from '../command/command-row.ts';

export const CLIENT_COMMANDS: readonly CommandRow[] = [
  {
    name: 'kimi',
    group: 'Point clients at it',
    args: '[arguments...]',
    summary: 'run the Kimi CLI through the proxy',
    details: `Runs the \`kimi\` found on the PATH (Kimi Code or kimi-cli) with the variables it reads set to the proxy. All arguments, the terminal, signals and the exit code pass through. A KIMI_MODEL_NAME of your own is kept; otherwise the default model of the client's config is used. Kimi Code keeps the provider a session began with: continue such a session with \`kmi kimi -c\`.

\`kimi_robin\` does the same in one word. Link it as \`kimi\` in a folder that comes first on the PATH, and every tool that calls \`kimi\` goes through the proxy.`,
    examples: ['kmi kimi', 'kmi kimi -p "say hello"', 'ln -s "$(command -v kimi_robin)" ~/bin/kimi'],
    exitCodes: [
      [1, 'no proxy answers; otherwise the exit code of the Kimi CLI'],
      [126, 'the `kimi` on the PATH cannot be run'],
      [127, 'there is no `kimi` on the PATH'],
    ],
    passesThrough: 'everything',
    settingsOf: 'proxy',
    load: () => import('./kimi/run.ts'),
  },
  {
    name: 'run',
    group: 'Point clients at it',
    args: '[command...]',
    summary: 'run any OpenAI- or Anthropic-speaking program through the proxy',
    details:
      'Sets OPENAI_BASE_URL, OPENAI_API_KEY, ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, OPENCODE_CONFIG_CONTENT and the variables of the Kimi clients, for that program only. Its terminal, signals and exit code pass through.\n\nCodex gets -c flags, and Claude Code gets --settings when its own settings lead elsewhere. If no request came through the proxy, a line says so at the end.',
    examples: ['kmi run -- claude', 'kmi run -- opencode run "say hello"', 'kmi run -- python agent.py'],
    exitCodes: [
      [1, 'no proxy answers; otherwise the exit code of the program'],
      [2, 'no program is named; otherwise the exit code of the program'],
      [126, 'the program cannot be run'],
      [127, 'there is no such program on the PATH'],
    ],
    passesThrough: 'command',
    settingsOf: 'proxy',
    load: () => import('./run/run.ts'),
  },
  {
    name: 'env',
    group: 'Point clients at it',
    summary: 'print the variables that point programs at the proxy',
    details: 'The lines include the proxy token, if one is set. Without --shell, kmi prints the syntax of $SHELL.',
    examples: [
      'eval "$(kmi env)"',
      'kmi env --shell fish | source',
      'kmi env --shell powershell | Out-String | Invoke-Expression',
    ],
    options: [{ flags: '--shell <bash|zsh|fish|powershell>', help: 'the syntax to print' }],
    settingsOf: 'proxy',
    load: () => import('./env/run.ts'),
  },
];
