import type { Key, LoginKind } from '../../../core/keys/key.ts';
import { LOGIN_CLIENTS } from '../../../core/keys/login-words.ts';
import { clockText } from '../../../core/text/duration.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import type { CommandContext } from '../../command/context.ts';
import { SHARED_FIX, sharedText } from '../../words/account-words.ts';
import type { TestResult } from '../test/words.ts';
import type { TakenIn } from './take-in.ts';

/** `now`: epoch ms. */
export type TakenInView = Pick<CommandContext, 'style' | 'errStyle'> & { readonly now: number; readonly zone: Zone };

/** What became of a login, a sentence a line. The first is the result, the rest is said about it. */
export function takenInLines(
  { key, before, sharing }: TakenIn,
  test: TestResult,
  { now, zone, style, errStyle }: TakenInView,
): {
  readonly result: string;
  readonly notes: readonly string[];
} {
  const kind = key.login?.kind ?? 'own';
  const who = `${style.strong(key.label)}${key.email === null ? '' : ` (${key.email})`}`;
  const left = test.result === 'works' && test.text !== '' ? `: ${test.text}` : '';
  return {
    result: `${style.good(headOf(kind, before?.kind ?? null))} ${who}${left}.`,
    notes: [
      ...(test.result === 'works' ? [] : [`${errStyle.warn('Its quota could not be read')}: ${test.text}.`]),
      ...(before === null || before.kind === kind ? [] : [INSTEAD_OF[before.kind]]),
      ...sharingOf(key, now, zone),
      ...(key.disabled ? [`It is disabled, as before; \`kmi keys enable ${key.label}\` enables it.`] : []),
      ...(sharing.length === 0 ? [] : [`${sharedText({ labels: [key.label, ...sharing] })} ${SHARED_FIX}`]),
    ],
  };
}

function headOf(kind: LoginKind, before: LoginKind | null): string {
  if (kind !== 'own') return `Using the login of ${LOGIN_CLIENTS[kind]} as`;
  return before === null ? 'Logged in as' : 'Logged in again as';
}

/** What it means that a client of Kimi's has the login too. */
function sharingOf({ login }: Key, now: number, zone: Zone): string[] {
  switch (login?.kind) {
    case 'kimi-code':
      return ['Kimi Code stays logged in, and both go on with the same login.'];
    case 'kimi-cli': {
      const until = login.expiresAt === null ? '' : `, at present until ${clockText(login.expiresAt, now, zone)}`;
      return [`It serves while kimi-cli keeps it valid${until}: kmi never renews it. \`kmi login\` makes a login that lasts.`];
    }
    default:
      return [];
  }
}

const INSTEAD_OF: Readonly<Record<LoginKind, string>> = {
  own: "It takes the place of kmi's own login of this account, whose tokens are deleted.",
  'kimi-code': 'It takes the place of the login of Kimi Code, which kmi no longer uses.',
  'kimi-cli': 'It takes the place of the login of kimi-cli, which kmi no longer uses.',
};

/** The last event of `--json`. No part of a token. */
export function takenInToJson({ key, before, sharing }: TakenIn, test: TestResult, account: string | null) {
  return {
    event: 'done',
    label: key.label,
    kind: key.login?.kind ?? 'own',
    replaced: before !== null,
    account,
    email: key.email,
    base_url: key.baseUrl,
    disabled: key.disabled,
    works: test.result === 'works',
    detail: test.text,
    same_account: sharing,
  };
}
