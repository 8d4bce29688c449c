import type { CommandRow } from '../../command/command-row.ts';

export const RUN: CommandRow = {
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
  load: () => import('./run.ts'),
};
