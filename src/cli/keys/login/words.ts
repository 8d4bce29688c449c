import { LOGIN_CLIENTS } from '../../../core/keys/login-words.ts';
import type { LoginKind } from '../../../logins/login.ts';
import type { CommandContext } from '../../command/context.ts';
import { SHARED_FIX, sharedText } from '../../words/account-words.ts';
import type { TestResult } from '../test/words.ts';
import type { TakenIn } from './take-in.ts';

/** What became of a login, a sentence a line. The first is the result, the rest is said about it. */
export function takenInLines(
  { key, before, sharing }: TakenIn,
  test: TestResult,
  { style, errStyle }: Pick<CommandContext, 'style' | 'errStyle'>,
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
      ...placeOf(kind, before?.kind ?? null),
      ...(key.disabled ? [`It is disabled, as before; \`kmi keys enable ${key.label}\` enables it.`] : []),
      ...(sharing.length === 0 ? [] : [`${sharedText({ labels: [key.label, ...sharing] })} ${SHARED_FIX}`]),
    ],
  };
}

function headOf(kind: LoginKind, before: LoginKind | null): string {
  if (kind !== 'own') return `Using the login of ${LOGIN_CLIENTS[kind]} as`;
  return before === null ? 'Logged in as' : 'Logged in again as';
}

function placeOf(kind: LoginKind, before: LoginKind | null): string[] {
  const instead = before === null || before === kind ? [] : [INSTEAD_OF[before]];
  if (kind === 'kimi-code') return [...instead, 'Kimi Code stays logged in, and both go on with the same login.'];
  if (kind === 'kimi-cli') {
    return [
      ...instead,
      'kmi never renews it, for kimi-cli lets no other program do so: it serves while kimi-cli keeps it valid. `kmi login` makes a login that lasts.',
    ];
  }
  return instead;
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
