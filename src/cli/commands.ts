import { CLIENT_COMMANDS } from './clients/rows.ts';
import { type CommandRow, JSON_OPTION } from './command/command-row.ts';
import { completionCommand, INIT_COMMAND, KEY_COMMANDS } from './keys/rows.ts';
import { PROXY_COMMANDS } from './proxy/rows.ts';
import { ROTATION_COMMANDS } from './rotation/rows.ts';
import { VIEW_COMMANDS } from './views/rows.ts';

/** Every command, in the order `kmi --help` lists them; those of one group stand together. */
export const COMMANDS: readonly CommandRow[] = [
  INIT_COMMAND,
  ...KEY_COMMANDS,
  {
    name: 'config',
    group: 'Set up',
    summary: 'show what is set, and where each value came from',
    details:
      'Shows the settings that were changed; with --all, or --json, every setting. A file named by KMI_ENV_PATH goes before the environment, a .env in the current folder after it. Secrets are not shown.',
    examples: ['kmi config', 'kmi config --all', 'kmi config --json'],
    options: [{ flags: '--all', help: 'also the settings that have their default' }, JSON_OPTION],
    load: () => import('./setup/config/run.ts'),
  },
  completionCommand(() => COMMANDS),
  {
    name: 'demo',
    group: 'Set up',
    summary: 'watch the proxy carry chats over a limit, on simulated accounts',
    details: 'Needs no key and no network: three made-up accounts answer, and one of them runs into its limit on the way.',
    examples: ['kmi demo'],
    exitCodes: [
      [0, 'every chat was answered'],
      [1, 'one was not'],
    ],
    load: () => import('./setup/demo/run.ts'),
  },
  ...PROXY_COMMANDS,
  ...CLIENT_COMMANDS,
  ...VIEW_COMMANDS,
  ...ROTATION_COMMANDS,
];
