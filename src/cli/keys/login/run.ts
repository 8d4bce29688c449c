import { type App, openApp } from '../../../app.ts';
import type { Region } from '../../../core/keys/key.ts';
import { KmiError } from '../../../errors.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { withPrompter } from '../../command/prompting.ts';
import { PromptEnded, type Prompter } from '../../ui/prompt.ts';
import { offerLive } from '../go-live.ts';
import { refuseKeyAsArgument } from '../key-selection.ts';
import { checkLabel } from '../new-key.ts';
import { checkRank } from '../rank.ts';
import { logIn } from './log-in.ts';
import { sayTakenIn } from './say.ts';
import { jsonScreen, personScreen } from './screen.ts';
import { firstReading, type LoginWishes, type TakenIn } from './take-in.ts';
import { findExisting, useExisting } from './use-existing.ts';
import { loginSettings, parseRegion, placeOfLogin } from './where.ts';
import { takenInToJson } from './words.ts';

type Options = {
  readonly region?: string;
  readonly label?: string;
  readonly existing?: boolean;
  readonly priority?: string;
  readonly weight?: string;
  /** False with `--no-browser`. */
  readonly browser?: boolean;
  readonly json?: boolean;
};

const NOTHING_STORED = 'Nothing was stored.';
const INTERRUPTED = { exitCode: 130, code: 'interrupted', message: `Interrupted. ${NOTHING_STORED}`, hint: 'Run it again.' };

/** `kmi login`: an account by a device login, or the login a Kimi client has here. Exit 130 when interrupted, with nothing stored. */
export const run: Command<Options> = async (context, options) => {
  const { json = false } = options;
  if (!json) return withPrompter(context, NOTHING_STORED, (prompter) => login(context, options, prompter));
  try {
    return await login(context, options, null);
  } catch (error) {
    // A program reads events only; a person who looks on sees the message as well.
    const { code, message, hint } = error instanceof KmiError ? error : INTERRUPTED;
    if (error instanceof KmiError || error instanceof PromptEnded)
      context.out(JSON.stringify({ event: 'error', code, message, hint }));
    if (error instanceof PromptEnded) return INTERRUPTED.exitCode;
    throw error;
  }
};

async function login(context: CommandContext, options: Options, prompter: Prompter | null): Promise<number> {
  const { config, environment, out, err, errStyle } = context;
  const { existing = false } = options;
  const wishes = checkWishes(options);
  const region = parseRegion(options.region);
  if (existing && region !== null) {
    throw new KmiError('bad_usage', '--region and --existing exclude each other: a login that is there has its region.');
  }
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const found = existing ? await findExisting(context) : null;
    if (found instanceof KmiError) throw found;
    const taken =
      found !== null
        ? await useExisting(app, found, wishes)
        : await logInWith(context, app, { region, browser: options.browser ?? true, isJson: prompter === null }, wishes);
    const test = await firstReading(app, taken.key);
    if (prompter === null) {
      const account = app.store.keyState(taken.key.label).account?.id ?? null;
      out(JSON.stringify(takenInToJson(taken, test, account)));
      return 0;
    }
    sayTakenIn(context, taken, test);
    if (config.dryRun) await offerLive(context, prompter);
    if (context.proxy == null) err(errStyle.dim('`kmi up` starts the proxy and says how to use it.'));
    return 0;
  } finally {
    await app.close();
  }
}

function logInWith(
  context: CommandContext,
  app: App,
  { region, browser, isJson }: { readonly region: Region | null; readonly browser: boolean; readonly isJson: boolean },
  wishes: LoginWishes,
): Promise<TakenIn> {
  const { config, err, errStyle } = context;
  const place = placeOfLogin(loginSettings(context), region);
  if (config.dryRun) err(errStyle.dim('This is dry-run, but the login is a real one.'));
  return logIn(app, place, wishes, isJson ? jsonScreen(context) : personScreen(context, { place, browser }));
}

function checkWishes({ label, priority, weight }: Options): LoginWishes {
  refuseKeyAsArgument(label);
  if (label !== undefined) checkLabel(label);
  return { label: label ?? null, ...checkRank({ weight, priority }) };
}
