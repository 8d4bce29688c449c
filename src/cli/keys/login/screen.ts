import { durationText, untilWithClock } from '../../../core/text/duration.ts';
import { openBrowser } from '../../../launch/open-browser.ts';
import type { DeviceCode } from '../../../logins/device-login.ts';
import type { CommandContext } from '../../command/context.ts';
import { type LiveLine, startLiveLine } from '../../ui/live-line.ts';
import { renderFields } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import type { LoginPlace } from './where.ts';

/** What a person, or a program, is shown of a login under way. */
export type LoginScreen = {
  /** There is a code to confirm; a further one takes its place. */
  readonly code: (code: DeviceCode) => void;
  /** Nobody waits for a confirmation any more. May be called more than once. */
  readonly end: () => void;
};

export type ScreenOptions = {
  readonly place: LoginPlace;
  /** Whether a browser may be opened. */
  readonly browser: boolean;
};

/** Address and code on standard error: with a countdown in a terminal, as one line elsewhere. */
export function personScreen(context: CommandContext, { place, browser }: ScreenOptions): LoginScreen {
  const { config, environment, err, errStyle } = context;
  const isTerminal = process.stderr.isTTY === true;
  let line: LiveLine | null = null;
  let isFirst = true;
  const end = () => line?.end();
  const code = (given: DeviceCode) => {
    end();
    if (!isFirst) err('The code has expired. Here is a new one.');
    if (!isTerminal) {
      const until = untilWithClock(given.expiresAt, Date.now(), config.timezone);
      err(`Open ${given.verificationUriComplete} and confirm the code ${given.userCode}. It ends ${until}.`);
    } else {
      for (const each of codeLines(given, errStyle)) err(each);
      if (isFirst && place.isGuess) err(errStyle.dim('An account of kimi.ai? Ctrl+C, then `kmi login --region global`.'));
      // Nothing waits for the browser, and one that does not open costs nothing.
      if (isFirst && browser) void openBrowser(given.verificationUriComplete, environment);
      line = startLiveLine(process.stderr, () => waitingText(given, Date.now()), { isShown: environment.TERM !== 'dumb' });
    }
    isFirst = false;
  };
  return { code, end };
}

/** The address stands whole on its line, however long it is, so that it can be clicked and copied. */
export function codeLines({ userCode, verificationUriComplete }: DeviceCode, style: Style): readonly string[] {
  const fields = [
    { name: 'address', value: { text: verificationUriComplete, paint: style.accent } },
    { name: 'code', value: { text: userCode, paint: style.strong } },
  ];
  return [
    'Open the address in a browser, and confirm the code there:',
    ...renderFields(fields, Number.POSITIVE_INFINITY, style).map((line) => `  ${line}`),
  ];
}

/** Cut from the end where there is no room. */
export function waitingText({ expiresAt }: Pick<DeviceCode, 'expiresAt'>, now: number): string {
  return `Waiting for you to confirm: ${countdown(expiresAt - now)} left. Ctrl+C stops.`;
}

/** "14 min 5 s": to the second, so that it is seen to run. */
function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const rest = seconds % 60;
  if (seconds < 60 || rest === 0) return durationText(seconds * 1000);
  return `${Math.floor(seconds / 60)} min ${rest} s`;
}

/** Each event is a line of JSON on standard output. */
export function jsonScreen({ out }: Pick<CommandContext, 'out'>): LoginScreen {
  return {
    code: ({ userCode, verificationUri, verificationUriComplete, expiresAt }) =>
      out(
        JSON.stringify({
          event: 'code',
          user_code: userCode,
          verification_uri: verificationUri,
          verification_uri_complete: verificationUriComplete,
          expires_at: new Date(expiresAt).toISOString(),
        }),
      ),
    end: () => undefined,
  };
}
