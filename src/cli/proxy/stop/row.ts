import type { CommandRow } from '../../command/command-row.ts';
import { STOP_OPTIONS } from '../stop-options.ts';

export const PROXY_STOP: CommandRow = {
  name: 'stop',
  aliases: ['proxy-stop'],
  group: 'The proxy',
  summary: 'stop the proxy; open requests finish first',
  details:
    'Finds the proxy of the state folder, also after a change of KMI_PROXY_LISTEN. Signals only a process that the state folder and its own /healthz both identify as this proxy. Names any other program on the port, and leaves it alone.',
  examples: ['kmi stop', 'kmi stop -f'],
  exitCodes: [
    [0, 'no proxy of this state folder is running'],
    [1, 'the process on the port is not this proxy, or cannot be signalled'],
    [2, 'wrong usage'],
  ],
  options: STOP_OPTIONS,
  withoutSettings: true,
  withoutToken: true,
  load: () => import('./run.ts'),
};
