import type { CommandRow } from '../../command/command-row.ts';

export const KIMI: CommandRow = {
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
  load: () => import('./run.ts'),
};
