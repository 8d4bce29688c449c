import type { App } from '../../../app.ts';
import { untilSignalled } from '../../command/ending.ts';
import { PromptEnded } from '../../ui/prompt.ts';
import type { LoginScreen } from './screen.ts';
import { type LoginWishes, refuseTakenLabel, type TakenIn, takeIn } from './take-in.ts';
import type { LoginPlace } from './where.ts';
import { askWhose, profileOf } from './whose.ts';

/**
 * Logs in by a code that a person confirms, asks whose login it is, and takes it into the pool. Throws `login_failed`, `key_not_added`,
 * and `PromptEnded` when it is interrupted before anything is stored.
 */
export async function logIn(app: App, place: LoginPlace, wishes: LoginWishes, screen: LoginScreen): Promise<TakenIn> {
  refuseTakenLabel(app, wishes.label);
  const { region, oauthHost, baseUrl } = place;
  const logins = await app.logins();
  const ending = untilSignalled();
  const stopIfInterrupted = () => {
    if (ending.signal.aborted) throw new PromptEnded('interrupt');
  };
  try {
    const tokens = await logins
      .logInByDevice(oauthHost, { onCode: screen.code, signal: ending.signal })
      .catch((error: unknown) => {
        stopIfInterrupted();
        throw error;
      });
    screen.end();
    const answer = await askWhose(app, { value: tokens.accessToken, baseUrl }, ending.signal);
    stopIfInterrupted();
    const profile = profileOf(answer, baseUrl);
    // From here on a signal waits: what is stored is also said.
    return await takeIn(app, { kind: 'own', region, oauthHost, baseUrl, file: null, tokens, profile }, wishes);
  } finally {
    screen.end();
    ending.stop();
  }
}
