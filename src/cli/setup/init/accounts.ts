import type { App } from '../../../app.ts';
import { KmiError } from '../../../errors.ts';
import type { ClientLogin } from '../../../logins/login.ts';
import type { CommandContext } from '../../command/context.ts';
import { type InitAnswer, say } from '../../command/settings-file.ts';
import { logIn } from '../../keys/login/log-in.ts';
import { sayTakenIn } from '../../keys/login/say.ts';
import { personScreen } from '../../keys/login/screen.ts';
import { firstReading, type TakenIn } from '../../keys/login/take-in.ts';
import { findExisting, useExisting } from '../../keys/login/use-existing.ts';
import { loginSettings, placeOfLogin } from '../../keys/login/where.ts';
import { addNewKey, checkLabel } from '../../keys/new-key.ts';
import type { Prompter } from '../../ui/prompt.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { counted } from '../../words/key-words.ts';

/** What the command line says about the account to come. */
export type AccountWishes = {
  readonly keyStdin?: boolean;
  readonly label?: string;
  readonly baseUrl?: string;
  /** False with `--no-test`. */
  readonly test?: boolean;
};

/** `works`: the upstream has just said so of a new one. */
export type Obtained = { readonly count: number; readonly works: boolean };

/** The keys and logins there are, and one more where it is wanted: a login first, else an API key. Throws `no_keys`. */
export async function obtainAccounts(
  context: CommandContext,
  app: App,
  prompter: Prompter,
  wishes: AccountWishes,
  { canAsk, confirm }: InitAnswer,
): Promise<Obtained> {
  const { out, width } = context;
  const { keys } = app.registry;
  const count = keys.length;
  if (count > 0) {
    const names = keys.map((key) => key.label).join(', ');
    for (const line of wrapToWidth(`There ${count === 1 ? 'is' : 'are'} ${counted(count, 'key')} already: ${names}.`, width))
      out(line);
  }
  const { keyStdin = false } = wishes;
  if (!keyStdin && !(canAsk && (count === 0 || (await confirm('Add another account?', false))))) {
    if (count > 0) return { count, works: false };
    throw new KmiError('no_keys', 'There is no key yet, and no terminal to ask for one.', {
      hint: 'Log in with `kmi login`, or give a key on standard input: `kmi init --key-stdin --yes < file-with-the-key`.',
    });
  }
  // What is said of a key asks for a key.
  const isKey = keyStdin || wishes.baseUrl !== undefined || wishes.test === false;
  const login = isKey ? null : await obtainLogin(context, app, wishes, confirm);
  if (login === null) return obtainKey(context, app, prompter, wishes, canAsk);
  const test = await firstReading(app, login.key);
  sayTakenIn(context, login, test);
  return { count: login.before === null ? count + 1 : count, works: test.result === 'works' };
}

/** Null when the person would rather enter a key. */
async function obtainLogin(
  context: CommandContext,
  app: App,
  { label }: AccountWishes,
  confirm: InitAnswer['confirm'],
): Promise<TakenIn | null> {
  if (label !== undefined) checkLabel(label);
  const wishes = { label: label ?? null, priority: null, weight: null };
  const existing = await offered(context, app);
  if (existing !== null) {
    say(
      context,
      'Kimi Code is logged in on this machine. kmi can use that login in place: nothing is copied, and Kimi Code stays logged in.',
    );
    if (await confirm('Use it?', true)) return useExisting(app, existing, wishes);
  }
  if (!(await confirm('Log in with a Kimi account, rather than enter an API key?', true))) return null;
  const place = placeOfLogin(loginSettings(context), null);
  return logIn(app, place, wishes, personScreen(context, { place, browser: true }));
}

/** Kimi Code's login on this machine, when it can serve and does not yet. kimi-cli's lasts for minutes, so it is not offered. */
async function offered(context: CommandContext, { registry }: App): Promise<ClientLogin | null> {
  if (registry.keys.some(({ login }) => login?.kind === 'kimi-code')) return null;
  const found = await findExisting(context);
  return found instanceof KmiError || found.kind !== 'kimi-code' ? null : found;
}

async function obtainKey(
  context: CommandContext,
  app: App,
  prompter: Prompter,
  { label, baseUrl, test = true }: AccountWishes,
  canAsk: boolean,
): Promise<Obtained> {
  const { out, err, style, errStyle } = context;
  const count = app.registry.keys.length;
  if (canAsk && count === 0) err(errStyle.dim('Create keys at kimi.com/code.'));
  const outcome = await addNewKey(context, app, prompter, { label, baseUrl, test });
  if (outcome.kind === 'known') {
    out(`This key is here already: ${style.strong(outcome.key.label)}.`);
    return { count, works: false };
  }
  out(`${style.good('Wrote')} ${style.strong(outcome.label)} to ${outcome.file}.`);
  return { count: count + 1, works: outcome.works };
}
