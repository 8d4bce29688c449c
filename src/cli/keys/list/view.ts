import type { Config } from '../../../config/settings.ts';
import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { accountedKeys, countAccounts, type KeyAccounts } from '../../../core/choosing/key-accounts.ts';
import { DEFAULT_WEIGHT, type Key, maskKey } from '../../../core/keys/key.ts';
import { LOGIN_CLIENTS } from '../../../core/keys/login-words.ts';
import type { FileRemark, SkippedFile } from '../../../keys/auth-entry.ts';
import { viewWidth } from '../../ui/panel.ts';
import { shortPath } from '../../ui/shown-path.ts';
import type { Style } from '../../ui/style.ts';
import { type Cell, type Column, renderTable } from '../../ui/table.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { accountsText, SHARED_FIX, sharedText } from '../../words/account-words.ts';
import { counted, ENGLISH_KEYS, outInWords, paintStatus } from '../../words/key-words.ts';
import { NOT_USED } from '../../words/not-used-words.ts';
import type { TestResult } from '../test/words.ts';

/** What `kmi keys list` looks at, at one moment. */
export type KeysReport = {
  readonly config: Pick<Config, 'authsDir' | 'stateDir' | 'timezone'>;
  /** The auths folder as a person would name it. */
  readonly folder: string;
  /** Epoch ms. */
  readonly now: number;
  readonly candidates: readonly Candidate[];
  /** Place of the active key. */
  readonly activeIndex: number;
  /** Whether it serves: under auto-rotation it plays no part, and is not marked. */
  readonly isManual: boolean;
  readonly skipped: readonly SkippedFile[];
  /** What stands in the files of keys and is not used. */
  readonly remarks: readonly FileRemark[];
};

const NARROW = 80;

type Frame = { readonly columns: number; readonly style: Style };

/** The lines of `kmi keys list`: a line a key, why it does not serve below it, then the files that give no key. */
export function renderKeys(report: KeysReport, { columns, style }: Frame): string[] {
  const width = viewWidth(columns);
  const { candidates, skipped } = report;
  const accounts = countAccounts(accountedKeys(candidates));
  return [
    ...wrapToWidth(headOf(report, accounts), width),
    ...(candidates.length === 0
      ? [style.dim('`kmi login` logs in with an account, `kmi keys add` adds a key.')]
      : ['', ...keyRows(report, width, style)]),
    ...accounts.shared.flatMap((shared) => [
      '',
      ...wrapToWidth(sharedText(shared), width).map(style.warn),
      ...wrapToWidth(SHARED_FIX, width).map(style.dim),
    ]),
    ...skippedLines(skipped, report, width, style),
    ...remarkLines(report, width, style),
  ];
}

function headOf({ candidates, folder }: KeysReport, accounts: KeyAccounts): string {
  if (candidates.length === 0) return `There are no keys in ${folder}, and no logins.`;
  const logins = candidates.filter(({ key }) => key.login !== undefined).length;
  if (logins === 0) return `${accountsText(accounts)} in ${folder}`;
  const keys = candidates.length - logins;
  const held = keys === 0 ? '' : `${counted(keys, 'key')} in ${folder} and `;
  return accountsText(accounts, `${held}${counted(logins, 'login')}`);
}

function keyRows({ candidates, activeIndex, isManual, now, config }: KeysReport, width: number, style: Style): string[] {
  const hasPriority = candidates.some(({ key }) => key.priority !== 0);
  const hasWeight = candidates.some(({ key }) => key.weight !== DEFAULT_WEIGHT);
  // What is for display only gives way in a narrow terminal.
  const isNarrow = width < NARROW;
  const hasEmail = !isNarrow && candidates.some(({ key }) => key.email !== null);
  const hasMask = !(isNarrow && hasPriority && hasWeight);
  const hasLogin = candidates.some(({ key }) => key.login !== undefined);
  const layout: Column[] = [
    ...(isManual ? [{ gap: 1 }] : []),
    { title: 'KEY', shrinkTo: 10 },
    { title: 'STATUS' },
    ...(hasMask ? [{ title: hasLogin ? 'CREDENTIAL' : 'API KEY' }] : []),
    ...(hasPriority ? [{ title: 'PRIORITY', align: 'right' as const }] : []),
    ...(hasWeight ? [{ title: 'WEIGHT', align: 'right' as const }] : []),
    ...(hasEmail ? [{ title: 'ACCOUNT', shrinkTo: 10 }] : []),
    { title: 'FILE', shrinkTo: 10 },
  ];
  const rows = candidates.map((candidate, index): Cell[] => {
    const { key } = candidate;
    const status = keyStatusOf(candidate, now);
    return [
      ...(isManual ? [{ text: index === activeIndex ? '>' : '', paint: style.accent }] : []),
      { text: key.label, paint: style.strong },
      { text: ENGLISH_KEYS.status[status], paint: paintStatus(status, style) },
      ...(hasMask ? [{ text: credentialOf(key), paint: style.dim }] : []),
      ...(hasPriority ? [String(key.priority)] : []),
      ...(hasWeight ? [String(key.weight)] : []),
      ...(hasEmail ? [key.email ?? ''] : []),
      { text: fileOf(key, config), paint: style.dim },
    ];
  });
  const [titles, ...lines] = renderTable(layout, rows, { width, style }) as [string, ...string[]];
  return [
    titles,
    ...lines.flatMap((line, n) => {
      const why = outInWords(candidates[n] as Candidate, now, config.timezone);
      return why === null ? [line] : [line, ...wrapToWidth(why, width - 4).map((part) => `    ${style.dim(part)}`)];
    }),
  ];
}

/** A token of a login is nobody's to see: it is another one in minutes. */
function credentialOf({ value, login }: Key): string {
  if (login === undefined) return maskKey(value);
  return login.kind === 'own' ? 'login' : `${LOGIN_CLIENTS[login.kind]} login`;
}

function fileOf({ source, login }: Key, { authsDir, stateDir }: KeysReport['config']): string {
  return shortPath(source, login === undefined ? authsDir : stateDir);
}

function skippedLines(skipped: readonly SkippedFile[], { config }: KeysReport, width: number, style: Style): string[] {
  if (skipped.length === 0) return [];
  const rows = skipped.map(({ file, detail }): Cell[] => [
    shortPath(file, config.authsDir, config.stateDir),
    { text: detail, paint: style.dim },
  ]);
  return [
    '',
    style.warn(skipped.length === 1 ? 'One file gives no key:' : `${skipped.length} files give no key:`),
    ...renderTable([{ shrinkTo: 16 }, { shrinkTo: 24, wrap: true }], rows, { width, style, indent: '  ' }),
  ];
}

function remarkLines({ remarks, config }: KeysReport, width: number, style: Style): string[] {
  if (remarks.length === 0) return [];
  const rows = remarks.map(({ file, detail }): Cell[] => [shortPath(file, config.authsDir), { text: detail, paint: style.dim }]);
  return [
    '',
    style.warn(NOT_USED),
    ...renderTable([{ shrinkTo: 16 }, { shrinkTo: 24, wrap: true }], rows, { width, style, indent: '  ' }),
  ];
}

export type TestedKey = TestResult & { readonly label: string; readonly disabled: boolean };

const RESULT_WORDS: Readonly<Record<TestResult['result'], string>> = {
  works: 'works',
  refused: 'refused',
  unclear: 'unclear',
};

/** The lines of `kmi keys test`: a line a key with what came back, then the sum. */
export function renderKeyTests(tests: readonly TestedKey[], { columns, style }: Frame): string[] {
  const width = viewWidth(columns);
  const paint = { works: style.good, refused: style.bad, unclear: style.warn };
  const rows = tests.map(({ label, disabled, result, text }): Cell[] => [
    { text: label, paint: style.strong },
    { text: RESULT_WORDS[result], paint: paint[result] },
    disabled ? `${text}${text === '' ? '' : '; '}disabled` : text,
  ]);
  const good = tests.filter(({ result }) => result === 'works').length;
  const sum =
    good === tests.length
      ? good === 1
        ? 'The key works.'
        : 'All of them work.'
      : `${good} of ${counted(tests.length, 'key')} work${good === 1 ? 's' : ''}.`;
  const note = 'A key that works is one the upstream accepts. The first chat of a client shows whether that client may use it.';
  return [
    ...renderTable([{ title: 'KEY', shrinkTo: 12 }, { title: 'RESULT' }, { title: 'ANSWER', shrinkTo: 24, wrap: true }], rows, {
      width,
      style,
    }),
    '',
    sum,
    ...(good === 0 ? [] : wrapToWidth(note, width).map(style.dim)),
  ];
}
