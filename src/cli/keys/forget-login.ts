import type { App } from '../../app.ts';
import type { Key, KeyLogin } from '../../core/keys/key.ts';
import { LOGIN_CLIENTS } from '../../core/keys/login-words.ts';

/** What giving a login up would do, as a question. */
export function forgetQuestion({ label, email }: Key, { kind }: KeyLogin): string {
  const who = `${label}${email === null ? '' : ` (${email})`}`;
  return kind === 'own'
    ? `Log out ${who}? Its tokens are deleted.`
    : `Stop using the login of ${LOGIN_CLIENTS[kind]} (${who})? ${LOGIN_CLIENTS[kind]} stays logged in.`;
}

/** Gives a login up, and answers what became of its tokens, as a sentence. A client's credential file stays as it is. */
export async function forgetLogin(app: App, { id, kind }: KeyLogin): Promise<string> {
  await (await app.logins()).remove(id);
  return kind === 'own' ? 'Its tokens are deleted.' : `${LOGIN_CLIENTS[kind]} stays logged in.`;
}
