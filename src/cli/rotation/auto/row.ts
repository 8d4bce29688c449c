import { AS_SET, STRATEGIES } from '../../../core/choosing/strategy.ts';
import { listed } from '../../../core/text/listed.ts';
import { type CommandRow, STRATEGY_OPTION } from '../../command/command-row.ts';
import { strategyHelp } from '../../words/strategy-words.ts';

export const ROTATE_AUTO: CommandRow = {
  name: 'rotate auto',
  aliases: ['rotate on'],
  summary: 'turn auto-rotation on, and choose its strategy',
  details: `Needs KMI_AUTO_ROTATE_ALLOWED=1: read the provider's terms first. Then runs the end-to-end check of \`kmi e2e\`, unless KMI_AUTO_ROTATE_E2E=0.

${strategyHelp()}

For coding agents, use \`sticky\`, or \`quota\` to use up the quota of every account: the prompt cache belongs to the account, and a cached input token costs a tenth. kmi reads the session from what coding agents send, or else from the beginning of the conversation. Requests without a session take turns among the accounts.

The strategy stays until you choose another, and overrides KMI_ROTATE_STRATEGY. \`--strategy setting\` goes back to KMI_ROTATE_STRATEGY.`,
  examples: ['kmi rotate auto', 'kmi rotate auto --strategy sticky', 'kmi --auto_rotate'],
  exitCodes: [
    [0, 'it is on, and the check passed or was skipped'],
    [1, 'it is not allowed, there are no keys, or the check failed'],
    [2, 'wrong usage, such as an unknown strategy; nothing changed'],
    [130, 'interrupted during the check; auto-rotation stays on'],
  ],
  options: [
    {
      ...STRATEGY_OPTION,
      help: `${listed(STRATEGIES, 'or')}, or setting for KMI_ROTATE_STRATEGY; default: no change`,
      values: [...STRATEGIES, AS_SET],
    },
  ],
  rootFlag: '--auto_rotate',
  rootFlagAlias: '--auto-rotate',
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
