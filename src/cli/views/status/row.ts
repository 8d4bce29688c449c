import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';
import { SERVES } from '../exit-codes.ts';

export const STATUS: CommandRow = {
  name: 'status',
  group: 'See what is going on',
  summary: 'show what is wrong, the proxy, and what is left of each key',
  details:
    'Asks only the local proxy, so it is quick. Alerts come first, each with what to do. QUOTA is what was left of each window when the proxy or a command last asked; `kmi health` asks now. READ says how long ago that was when it is over 15 minutes. TODAY counts requests. `>` marks the active key in manual mode. `kmi doctor` checks everything else.',
  examples: ['kmi status', 'kmi status --all', 'kmi status --json | jq .quota'],
  exitCodes: SERVES,
  options: [{ flags: '--all', help: 'also rotation, health checks, policy and paths, and every key of many' }, JSON_OPTION],
  rootFlag: '--status',
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
