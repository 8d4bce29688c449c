import type { CommandRow } from '../../command/command-row.ts';
import { STOP_OPTIONS } from '../stop-options.ts';

export const PROXY_RESTART: CommandRow = {
  name: 'restart',
  aliases: ['proxy-restart'],
  group: 'The proxy',
  summary: 'stop the proxy if it runs, then start it in the background',
  details: `Applies changed settings. Stops the proxy as \`kmi stop\` does and starts it as \`kmi start\` does. If it could not start with the new settings, the old proxy keeps running. A port that \`kmi start --port\` gave it stays.

In another folder, other settings may apply; the command names them. It refuses to change the mode, the keys, the upstream, the address or the token for that reason. --here permits it.`,
  examples: ['kmi restart', 'kmi restart --here'],
  exitCodes: [
    [0, 'it runs'],
    [1, 'refused, not stopped, or not started again'],
    [2, 'wrong usage'],
  ],
  options: [
    ...STOP_OPTIONS,
    { flags: '--here', help: 'apply the settings of this folder to a proxy that was started in another' },
  ],
  load: () => import('./run.ts'),
};
