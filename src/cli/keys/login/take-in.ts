import type { Profile } from '../../../accounts/fetch-account.ts';
import { type App, fetchHealth } from '../../../app.ts';
import { loadKeys } from '../../../app-keys.ts';
import { DEFAULT_WEIGHT, isLoginOver, type Key } from '../../../core/keys/key.ts';
import { activeBlock } from '../../../core/keys/key-state.ts';
import { KmiError } from '../../../errors.ts';
import { asEmail } from '../../../keys/display-text.ts';
import { suggestLoginLabel } from '../../../keys/label.ts';
import type { Registry } from '../../../keys/registry.ts';
import type { Login, TokenPair } from '../../../logins/login.ts';
import { readLogins } from '../../../logins/login-keys.ts';
import { saveState } from '../../command/save-state.ts';
import { startProgress } from '../../ui/progress.ts';
import { followAuthFiles } from '../relabel.ts';
import { judgeTest, type TestResult } from '../test/words.ts';

/** What the command line says about a login to come; null leaves it to kmi. */
export type LoginWishes = { readonly label: string | null; readonly priority: number | null; readonly weight: number | null };

export type NewLogin = Pick<Login, 'kind' | 'region' | 'oauthHost' | 'baseUrl' | 'file'> & {
  /** Null for a client's login, whose tokens stay where they are. */
  readonly tokens: TokenPair | null;
  /** Null: whose it is could not be learned. */
  readonly profile: Profile | null;
};

export type TakenIn = {
  readonly key: Key;
  /** The login whose place it took. */
  readonly before: Login | null;
  /** Labels of enabled keys of the same account. */
  readonly sharing: readonly string[];
};

/** Makes a login a member of the pool, or puts it in the place of an earlier one of its account. Throws `key_not_added`. */
export async function takeIn(app: App, login: NewLogin, wishes: LoginWishes): Promise<TakenIn> {
  const { ledger, store, clock } = app;
  const { tokens, profile, ...about } = login;
  // As they are now: a person may have taken a quarter of an hour to log in.
  const present = await loadKeys(app.config);
  await store.refresh();
  const earlier = await earlierOf(app, present, login, wishes.label);
  const [before = null] = earlier;
  const label = labelOf(present, login, earlier, wishes.label);
  const logins = await app.logins();
  const added = await logins.add(
    {
      ...about,
      label,
      account: profile?.account ?? before?.account ?? null,
      email: asEmail(profile?.email) ?? before?.email ?? null,
      priority: wishes.priority ?? before?.priority ?? 0,
      weight: wishes.weight ?? before?.weight ?? DEFAULT_WEIGHT,
      disabled: before?.disabled ?? false,
    },
    tokens,
    earlier.map(({ id }) => id),
  );
  const { registry } = await followAuthFiles(app, present);
  const key = registry.keys.find((each) => each.login?.id === added.id);
  if (key === undefined) throw new KmiError('key_not_added', `The login ${label} was stored, but cannot be read back.`);
  // What the upstream refused was the token that is gone.
  if (activeBlock(store.keyState(key.label), clock())?.reason === 'auth') ledger.clearBlock(key.label);
  if (added.account !== null) ledger.accountIs(key.label, { id: added.account, at: clock() });
  await saveState(app);
  const sharing = registry.keys.filter(
    (other) =>
      other !== key && !other.disabled && added.account !== null && store.keyState(other.label).account?.id === added.account,
  );
  return { key, before, sharing: sharing.map((other) => other.label) };
}

/** The logins that this one replaces: of the same account or file; or of the label asked for, when nobody knows whose that was. */
async function earlierOf(
  { config, secrets, store, clock }: App,
  present: Registry,
  { file, profile }: NewLogin,
  label: string | null,
): Promise<readonly Login[]> {
  const readings = await readLogins(config.stateDir, (secret) => secrets.add(secret));
  const logins = readings.map(({ login }) => login);
  const keyOf = ({ id }: Login) => present.keys.find((key) => key.login?.id === id);
  // What was not known when it logged in, a proxy may have learned since.
  const accountOf = (login: Login) => {
    const key = keyOf(login);
    return login.account ?? (key === undefined ? null : (store.keyState(key.label).account?.id ?? null));
  };
  const same = logins.filter((other) => profile !== null && accountOf(other) === profile.account);
  const inPlace = logins.filter((other) => file !== null && other.file === file);
  if (same.length > 0 || inPlace.length > 0) return [...same, ...inPlace];
  return logins.filter((other) => {
    const key = keyOf(other);
    const isUnknown = profile === null || accountOf(other) === null;
    return isUnknown && key !== undefined && key.label === label && isLoginOver(key, clock());
  });
}

function labelOf({ keys }: Registry, { profile }: NewLogin, earlier: readonly Login[], wished: string | null): string {
  const [before = null] = earlier;
  const others = keys.filter(({ login }) => !earlier.some(({ id }) => id === login?.id));
  // One that was nobody's so far may have a name now.
  const isNamed = before !== null && (before.account !== null || profile === null || !/^login(?:-\d+)?$/.test(before.label));
  if (wished === null && isNamed) return before.label;
  if (wished === null) {
    const names = { email: asEmail(profile?.email), nickname: profile?.nickname ?? null };
    return suggestLoginLabel(
      others.map(({ label }) => label),
      names,
    );
  }
  const holder = others.find(({ label }) => label.toLowerCase() === wished.toLowerCase());
  if (holder === undefined) return wished;
  throw labelTaken(holder, profile);
}

/** A label that no account could have in the end is refused before anybody is asked to log in. Throws `key_not_added`. */
export function refuseTakenLabel({ registry }: Pick<App, 'registry'>, label: string | null): void {
  const holder = registry.keys.find((key) => key.login === undefined && key.label.toLowerCase() === label?.toLowerCase());
  if (holder !== undefined) throw labelTaken(holder, null);
}

function labelTaken({ label, login }: Key, profile: Profile | null): KmiError {
  if (login === undefined) {
    return new KmiError('key_not_added', `The label ${label} belongs to an API key, so nothing was stored.`, {
      hint: 'Choose another with --label.',
    });
  }
  if (profile === null) {
    return new KmiError(
      'key_not_added',
      `Whose login this is could not be learned, so it cannot have the label of the login ${label}.`,
      {
        hint: 'Nothing was stored. Try again, or choose another --label.',
      },
    );
  }
  const email = asEmail(profile.email);
  return new KmiError(
    'key_not_added',
    `The login ${label} is of another account${email === null ? '' : ` than ${email}`}, so nothing was stored.`,
    {
      hint: 'Log in with the account of that login, or choose another --label.',
    },
  );
}

/** Asks `/usages`, which says what is left and that the login works. */
export async function firstReading(app: App, key: Key): Promise<TestResult> {
  const progress = startProgress(process.stderr, () => `Asking ${new URL(key.baseUrl).host} for the quota...`);
  try {
    const health = await fetchHealth(app, { keys: [key], live: true });
    return judgeTest(health.get(key.label) ?? { usage: null, error: 'no answer', fetchedAt: app.clock() });
  } finally {
    progress.end();
  }
}
