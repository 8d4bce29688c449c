import { type App, openApp } from '../../../app.ts';
import type { Strategy } from '../../../core/choosing/strategy.ts';
import { KmiError } from '../../../errors.ts';
import { hardenPermissions, makePrivateFolder } from '../../../files/private.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { withPrompter } from '../../command/prompting.ts';
import { chooseMode, type InitAnswer, type Mode, say } from '../../command/settings-file.ts';
import { workHere } from '../../keys/here.ts';
import { refuseKeyAsArgument } from '../../keys/key-selection.ts';
import { parseStrategy } from '../../rotation/auto/run.ts';
import type { Prompter } from '../../ui/prompt.ts';
import { shownPath } from '../../ui/shown-path.ts';
import { obtainAccounts } from './accounts.ts';
import { renderNext } from './next.ts';
import { chooseRotation } from './rotation.ts';

export type InitOptions = {
  readonly keyStdin?: boolean;
  readonly label?: string;
  readonly baseUrl?: string;
  readonly live?: boolean;
  readonly dryRun?: boolean;
  readonly here?: boolean;
  readonly autoRotate?: boolean;
  readonly strategy?: string;
  /** False with `--no-test`. */
  readonly test?: boolean;
  readonly yes?: boolean;
};

const GREETING =
  'kmi asks for an account, whether to go live, and whether your accounts take turns. Ctrl+C stops; `kmi init` goes on from there.';

/**
 * `kmi init`: folders, the first account, live or dry-run, auto-rotation, and the next command to type. What is there already stays; a
 * second run changes only what it is asked to. Exit 1 when there is no key in the end.
 */
export const run: Command<InitOptions> = (context, options) => initialise(context, options);

/** `kmi init`, with the next command to type unless the caller goes on by itself. */
export async function initialise(given: CommandContext, options: InitOptions, { saysNext = true } = {}): Promise<number> {
  const context = options.here === true ? workHere(given) : given;
  if (options.live === true && options.dryRun === true) {
    throw new KmiError('bad_usage', '--live and --dry-run exclude each other.');
  }
  const strategy = parseStrategy(options.strategy);
  if (strategy !== null && options.autoRotate === false) {
    throw new KmiError('bad_usage', '--strategy and --no-auto-rotate exclude each other.');
  }
  refuseKeyAsArgument(options.label);
  return withPrompter(context, 'What was written so far stays; `kmi init` goes on from there.', async (prompter) => {
    const { config, environment, err } = context;
    await makeFolders(context);
    const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
    try {
      const { count, mode } = await setUp(context, app, prompter, options, strategy);
      if (saysNext) for (const line of await renderNext(context, { count, mode })) context.out(line);
      return count > 0 ? 0 : 1;
    } finally {
      await app.close();
    }
  });
}

async function setUp(
  context: CommandContext,
  app: App,
  prompter: Prompter,
  options: InitOptions,
  strategy: Strategy | null,
): Promise<{ readonly count: number; readonly mode: Mode }> {
  // A person answers; a script says it by flags, and what no flag says stays as it is.
  const answer: InitAnswer = {
    canAsk: prompter.isTerminal && options.yes !== true,
    confirm: (question, fallback) => prompter.confirm(question, fallback),
    ask: (question) => prompter.ask(question),
  };
  if (answer.canAsk) say(context, GREETING, '');
  const { count, works } = await obtainAccounts(context, app, prompter, options, answer);
  const mode = await chooseMode(context, { ...options, works }, answer);
  await chooseRotation(context, app, { autoRotate: options.autoRotate, strategy }, answer);
  return { count, mode };
}

async function makeFolders(context: CommandContext): Promise<void> {
  const { config, out, style } = context;
  for (const folder of [config.authsDir, config.stateDir]) {
    await makePrivateFolder(folder).catch((error: unknown) => {
      throw new KmiError('state_unusable', `The folder ${folder} cannot be made: ${String(error)}.`, {
        hint: 'Choose others with KMI_AUTHS_DIR and KMI_STATE_DIR.',
        cause: error,
      });
    });
    if (config.enforceFilePerms) await hardenPermissions(folder);
  }
  out(`${style.dim('Keys')}   ${shownPath(config.authsDir, context)}`);
  out(`${style.dim('State')}  ${shownPath(config.stateDir, context)}`);
}
