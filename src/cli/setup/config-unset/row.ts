import { type CommandRow, HERE_OPTION } from '../../command/command-row.ts';

export const CONFIG_UNSET: CommandRow = {
  name: 'config unset',
  args: '<setting...>',
  summary: 'take a setting out of the .env that counts',
  details:
    'Removes the lines of the setting from the file that `kmi config` names, and no other byte of it. kmi then goes by the environment or the default, and says which.',
  examples: ['kmi config unset KMI_DRY_RUN', 'kmi config unset KMI_PROXY_TLS_CERT KMI_PROXY_TLS_KEY'],
  exitCodes: [
    [0, 'the file does not set it'],
    [2, 'wrong usage, or the rest could not be used without it; nothing was written'],
  ],
  options: [HERE_OPTION],
  withoutToken: true,
  mendsSettings: true,
  load: () => import('./run.ts'),
};
