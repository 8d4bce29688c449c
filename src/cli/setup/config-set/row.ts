import { type CommandRow, HERE_OPTION } from '../../command/command-row.ts';

export const CONFIG_SET: CommandRow = {
  name: 'config set',
  args: '<setting> [value...]',
  summary: 'write a setting into the .env that counts',
  details: `Changes the one line of the setting in the file that \`kmi config\` names, and no other byte of it; without such a file, makes \`~/.kmi/.env\`. A value that cannot be used is not written. KMI_ and upper case may be left out: \`kmi config set dry-run 0\`.

A secret is never given as an argument: leave the value out, and kmi asks for it, hidden, or reads it from standard input. Settings that need each other are written together, as NAME=VALUE.`,
  examples: [
    'kmi config set KMI_DRY_RUN 0',
    'kmi config set KMI_NOTIFY',
    'kmi config set KMI_PROXY_TLS_CERT=~/cert.pem KMI_PROXY_TLS_KEY=~/key.pem',
  ],
  exitCodes: [
    [0, 'it is set'],
    [2, 'wrong usage, or a value that cannot be used; nothing was written'],
    [130, 'interrupted; nothing was written'],
  ],
  options: [HERE_OPTION],
  withoutToken: true,
  mendsSettings: true,
  load: () => import('./run.ts'),
};
