import type { App } from '../../../app.ts';
import { howToRenew, LOGIN_CLIENTS } from '../../../core/keys/login-words.ts';
import { KmiError } from '../../../errors.ts';
import { findExistingLogin } from '../../../logins/existing.ts';
import { type ClientLogin, isPairOver, type TokenPair } from '../../../logins/login.ts';
import { readCredential } from '../../../logins/login-store.ts';
import type { CommandContext } from '../../command/context.ts';
import { type LoginWishes, refuseTakenLabel, type TakenIn, takeIn } from './take-in.ts';
import { allowlistsOf, loginSettings, whyNotAllowed } from './where.ts';
import { askWhose, profileOf } from './whose.ts';

/** The client's own addresses stand. */
const NONE = { upstreamBaseUrl: '', oauthHost: '' };

const OWN_INSTEAD = 'Or let kmi log in by itself: `kmi login`.';

/** The login of a Kimi client on this machine, which can be used; else why there is none. */
export async function findExisting(context: CommandContext): Promise<ClientLogin | KmiError> {
  const { environment, home, loaded } = context;
  const found = await findExistingLogin(environment, home);
  if (found === null) {
    return new KmiError('login_failed', 'Neither Kimi Code nor kimi-cli is logged in on this machine.', {
      hint: `Log in there first: \`kimi login\`. ${OWN_INSTEAD}`,
    });
  }
  if ('problem' in found) return new KmiError('login_failed', found.problem, { hint: OWN_INSTEAD });
  if (found.isOver) return expired(found.kind);
  const { isOver: _, ...login } = found;
  const { upstreamBaseUrl: baseUrl, oauthHost } = loaded.config.oauthHostOverridesSlots ? loginSettings(context) : NONE;
  // What is remembered of the host is the client's own, wherever it is renewed at present.
  const place = { baseUrl: baseUrl || login.baseUrl, oauthHost: oauthHost || login.oauthHost };
  return whyNotAllowed(place, allowlistsOf(context)) ?? { ...login, baseUrl: place.baseUrl };
}

/** Takes the login of a Kimi client into the pool, in place. Throws `login_failed`, `key_not_added`, and nothing is stored then. */
export async function useExisting(app: App, found: ClientLogin, wishes: LoginWishes): Promise<TakenIn> {
  refuseTakenLabel(app, wishes.label);
  const tokens = await presentTokens(app, found);
  const profile =
    tokens === null ? null : profileOf(await askWhose(app, { value: tokens.accessToken, baseUrl: found.baseUrl }), found.baseUrl);
  return takeIn(app, { ...found, tokens: null, profile }, wishes);
}

/** Tokens that are in force, renewed where need be; null when there are none for the moment. Throws `login_failed` when they are over. */
async function presentTokens(app: App, found: ClientLogin): Promise<TokenPair | null> {
  const credential = await readCredential(found.file);
  if (credential.kind === 'pair') {
    app.secrets.add(credential.tokens.accessToken);
    if (!isPairOver(credential.tokens, app.clock())) return credential.tokens;
  }
  const renewal = await (await app.logins()).renewBeforeAdding(found);
  if (renewal.kind === 'refused' || renewal.kind === 'gone') throw expired(found.kind);
  return renewal.kind === 'failed' ? null : renewal.tokens;
}

function expired(kind: ClientLogin['kind']): KmiError {
  return new KmiError('login_failed', `The login of ${LOGIN_CLIENTS[kind]} on this machine has expired.`, {
    hint: kind === 'kimi-code' ? `${howToRenew('', kind)} ${OWN_INSTEAD}` : OWN_INSTEAD,
  });
}
