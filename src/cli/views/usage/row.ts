import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const USAGE: CommandRow = {
  name: 'usage',
  group: 'See what is going on',
  summary: 'show the tokens used, by key, account, model, day or session',
  details: `The proxy reads the tokens from the answers as they pass, also from aborted ones. Input is the whole prompt; cached is the part that the prompt cache served. An OpenAI stream reports its tokens only if the client sets stream_options.include_usage. An account is shown with the keys that it was counted for.

kmi keeps the last 100 days with tokens, and saves within a second. Beyond 1000 sessions a day (200 once the day is over), it counts the smallest together as "(other)".`,
  examples: ['kmi usage', 'kmi usage --by day --since 30d', 'kmi usage --by model --json | jq .total'],
  options: [
    JSON_OPTION,
    { flags: '--by <key|account|model|day|session>', help: 'what to sum by (default key)' },
    { flags: '--since <time>', help: 'a span such as 12h or 30d, or a date; from the start of that day (default 7d)' },
  ],
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
