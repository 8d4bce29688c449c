import type { CommandRow } from '../../command/command-row.ts';

export const NOTIFY_TEST: CommandRow = {
  name: 'notify-test',
  group: 'See what is going on',
  summary: 'send a test notice to the target of KMI_NOTIFY',
  details: `A running proxy sends a notice when no key can serve, when an account runs out or comes back, and when a key needs you; at most one per cause and hour. In dry-run it sends none.

A webhook gets JSON by POST. text (for Slack) and content (for Discord) hold the message. event is none_left, used_up, back, key_refused, login_expired, account_unpaid, account_closed or test. key_label, at and until name the key, the time and the end.`,
  examples: ['kmi notify-test', 'KMI_NOTIFY=desktop kmi notify-test'],
  exitCodes: [
    [0, 'it was sent'],
    [1, 'it was not sent'],
    [2, 'KMI_NOTIFY is not set'],
  ],
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
