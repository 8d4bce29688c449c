import type { App } from '../../../app.ts';
import { isAllowedHost } from '../../../config/kinds.ts';
import { LOGIN_CLIENTS } from '../../../core/keys/login-words.ts';
import { KmiError } from '../../../errors.ts';
import { type ExistingLogin, findExistingLogin } from '../../../logins/existing.ts';
import type { TokenPair } from '../../../logins/login.ts';
import { readCredential } from '../../../logins/login-store.ts';
import type { CommandContext } from '../../command/context.ts';
import { type LoginWishes, refuseTakenLabel, type TakenIn, takeIn } from './take-in.ts';
import { askWhose, profileOf } from './whose.ts';

const OWN_INSTEAD = 'Or let kmi log in by itself: `kmi login`.';

/** The login of a Kimi client on this machine, which can be used; else why there is none. */
export async function findExisting({ environment, home, config }: CommandContext): Promise<ExistingLogin | KmiError> {
  const found = await findExistingLogin(environment, home);
  if (found === null) {
    return new KmiError('login_failed', 'Neither Kimi Code nor kimi-cli is logged in on this machine.', {
      hint: `Log in there first: \`kimi login\`. ${OWN_INSTEAD}`,
    });
  }
  if ('problem' in found) return new KmiError('login_failed', found.problem, { hint: OWN_INSTEAD });
  const client = LOGIN_CLIENTS[found.kind];
  if (found.isOver) {
    return new KmiError('login_failed', `The login of ${client} on this machine has expired.`, {
      hint: found.kind === 'kimi-code' ? `Log in there again: \`kimi login\`. ${OWN_INSTEAD}` : OWN_INSTEAD,
    });
  }
  const baseUrl = config.oauthHostOverridesSlots ? config.upstreamBaseUrl : found.baseUrl;
  if (!isAllowedHost(baseUrl, config.upstreamAllowlist)) {
    return new KmiError('bad_usage', `${client} uses ${new URL(baseUrl).host}, which KMI_UPSTREAM_ALLOWLIST does not list.`);
  }
  return { ...found, baseUrl };
}

/** Takes the login of a Kimi client into the pool, in place. Throws `login_failed`, `key_not_added`. */
export async function useExisting(app: App, found: ExistingLogin, wishes: LoginWishes): Promise<TakenIn> {
  refuseTakenLabel(app, wishes.label);
  const { kind, region, oauthHost, baseUrl, file } = found;
  const take = (profile: Parameters<typeof takeIn>[1]['profile']) =>
    takeIn(app, { kind, region, oauthHost, baseUrl, file, tokens: null, profile }, wishes);
  const ask = async (tokens: TokenPair) => profileOf(await askWhose(app, { value: tokens.accessToken, baseUrl }), baseUrl);
  const credential = await readCredential(file);
  const tokens = credential.kind === 'pair' ? credential.tokens : null;
  if (tokens !== null) app.secrets.add(tokens.accessToken);
  if (tokens !== null && (tokens.expiresAt === null || tokens.expiresAt * 1000 > app.clock())) return take(await ask(tokens));
  // Its token has ended, and whose it is can be asked with another one only, which is got for a login that is known.
  const taken = await take(null);
  const renewal = taken.key.login === undefined ? null : await (await app.logins()).renew(taken.key.login.id);
  return renewal !== null && 'tokens' in renewal ? { ...(await take(await ask(renewal.tokens))), before: taken.before } : taken;
}
