import type { CommandRow } from '../../command/command-row.ts';

export const LOGIN: CommandRow = {
  name: 'login',
  group: 'Set up',
  summary: 'log in with a Kimi account, without an API key',
  details: `Shows an address and a code to confirm there, and opens a browser where there is one. kmi then keeps the account logged in and uses it as it uses a key: \`kmi keys\` lists it, and every command knows it by its label. The same account again takes the place of its earlier login. In dry-run, too, it is a real login.

--existing uses the login that Kimi Code has on this machine, in place: both programs go on with one login, and kmi never copies or deletes it, and renews it only under Kimi Code's own lock. A login of the old kimi-cli is used while it is valid and never renewed.

With --json, each line is one JSON value: \`{"event":"code",...}\` for each code to confirm, then \`{"event":"done",...}\`, or \`{"event":"error",...}\`.`,
  examples: ['kmi login', 'kmi login --region global --label work', 'kmi login --existing'],
  exitCodes: [
    [0, 'logged in'],
    [1, 'not logged in: refused, timed out, or there is no login to use'],
    [2, 'wrong usage'],
    [130, 'interrupted; nothing was written'],
  ],
  options: [
    {
      flags: '--region <mainland-cn|global>',
      help: 'kimi.com or kimi.ai; default: that of KMI_UPSTREAM_BASE_URL, else mainland-cn',
    },
    { flags: '--label <name>', help: 'label of the login; default: from its email address' },
    { flags: '--existing', help: 'use the login that Kimi Code or kimi-cli has on this machine' },
    { flags: '--priority <number>', help: 'logins and keys with a higher priority come first; default 0' },
    { flags: '--weight <number>', help: 'share of the account under the strategy weighted: 1 to 1000; default 100' },
    { flags: '--no-browser', help: 'open no browser' },
    { flags: '--json', help: 'events as JSON lines' },
  ],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
