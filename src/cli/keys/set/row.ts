import type { CommandRow } from '../../command/command-row.ts';

export const KEYS_SET: CommandRow = {
  name: 'keys set',
  args: '<label>',
  summary: 'set the weight or the priority of a key or login',
  details:
    'Sets KMI_KEY_WEIGHT and KMI_KEY_PRIORITY in the .env file of the key, and changes no other line; of a login, what its own file says. Do not edit the file of a login by hand: an editor could write old tokens back.',
  examples: ['kmi keys set work --weight 300', 'kmi keys set spare --priority -1'],
  options: [
    { flags: '--weight <number>', help: 'share under the strategy weighted: 1 to 1000' },
    { flags: '--priority <number>', help: 'those with a higher priority come first' },
  ],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
