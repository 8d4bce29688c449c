import type { CommandRow } from '../../command/command-row.ts';

export const UP: CommandRow = {
  name: 'up',
  group: 'Set up',
  summary: 'log in or add a key, start the proxy, say how to use it',
  details: `If there is no key and no login, asks for one, as \`kmi init\` does. If no proxy runs, starts it in the background. Then prints how to point a client at it.

Without a terminal it asks nothing. If there is neither, it exits and names the commands that add one.`,
  examples: ['kmi up'],
  exitCodes: [
    [0, 'the proxy runs'],
    [1, 'there is no key and no login, or the proxy did not start'],
    [130, 'interrupted at a question'],
  ],
  load: () => import('./run.ts'),
};
