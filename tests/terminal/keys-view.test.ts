import { expect, it } from 'vitest';
import { type KeysReport, renderKeys, renderKeyTests, type TestedKey } from '../../src/cli/keys/list/view.ts';
import { judgeTest } from '../../src/cli/keys/test/words.ts';
import { createStyle } from '../../src/cli/ui/style.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import type { KeyLogin } from '../../src/core/keys/key.ts';
import type { SkippedFile } from '../../src/keys/auth-entry.ts';
import { aCandidate, aUsage, NOW } from '../core/candidates.ts';

type Details = { readonly source: string; readonly email?: string; readonly priority?: number };

function candidate(label: string, { source, email, priority }: Details, options: Parameters<typeof aCandidate>[1] = {}) {
  const made = aCandidate(label, options);
  const key = { ...made.key, value: `sk-kimi-${label}-0123456789`, source: `/home/me/_auths/${source}`, email: email ?? null };
  return { ...made, key: { ...key, priority: priority ?? 0 } };
}

const SKIPPED: readonly SkippedFile[] = [
  { file: '/home/me/_auths/half.env', reason: 'no_key', detail: 'The file sets no KMI_API_KEY.' },
  {
    file: '/home/me/_auths/copy/old.toml',
    reason: 'duplicate_key',
    detail: 'It holds the same key as a-file-with-a-rather-long-name.env.',
  },
];

const REPORT: KeysReport = {
  config: { authsDir: '/home/me/_auths', stateDir: '/home/me/.kmi', timezone: 'UTC' },
  folder: '_auths',
  now: NOW,
  activeIndex: 1,
  isManual: true,
  skipped: SKIPPED,
  remarks: [],
  candidates: [
    candidate('work', { source: 'work.env', email: 'alice@example.com', priority: 10 }),
    candidate('a-key-with-quite-a-long-label', {
      source: 'team/config.toml',
      email: 'somebody.with.a.long.name@mail.example.com',
    }),
    candidate('spare', { source: 'spare.env' }, { state: { cooldown: { until: NOW + 35 * 60_000, reason: 'quota' } } }),
    candidate('unpaid', { source: 'unpaid.env' }, { state: { block: { until: null, reason: 'payment_required' } } }),
    candidate('off', { source: 'off.env' }, { disabled: true }),
  ],
};

function login(label: string, kind: KeyLogin['kind'], options: Parameters<typeof aCandidate>[1] = {}) {
  const made = aCandidate(label, { ...options, login: { kind, isOver: false, ...options.login } });
  const email = `${label}@example.com`;
  return { ...made, key: { ...made.key, value: `eyJ.${label}.0123456789`, source: '/home/me/.kmi/logins/1a2b3c4d.json', email } };
}

const WITH_LOGINS: KeysReport = {
  ...REPORT,
  skipped: [],
  candidates: [
    candidate('work', { source: 'work.env' }),
    login('ada', 'own'),
    login('ben', 'kimi-code', { login: { isOver: true } }),
    login('cleo', 'kimi-cli'),
    login('off', 'own', { disabled: true }),
  ],
};

const TESTS: readonly TestedKey[] = [
  {
    label: 'work',
    disabled: false,
    ...judgeTest({ usage: { ...aUsage(0.62), plan: 'LEVEL_BASIC' }, error: null, fetchedAt: NOW, status: 200 }),
  },
  {
    label: 'old',
    disabled: true,
    ...judgeTest({
      usage: null,
      error: 'HTTP 401: The API key appears to be invalid or may have expired. Please verify your credentials and try again.',
      fetchedAt: NOW,
      status: 401,
    }),
  },
  { label: 'away', disabled: false, ...judgeTest({ usage: null, error: 'timeout after 10 s', fetchedAt: NOW }) },
  { label: 'other', disabled: false, ...judgeTest({ usage: null, error: 'not JSON', fetchedAt: NOW, status: 200 }) },
];

for (const columns of [60, 80, 120]) {
  for (const color of [false, true]) {
    const look = `${columns} columns, ${color ? 'coloured' : 'plain'}`;
    const style = createStyle({ color, plain: !color });
    it(`the list of keys at ${look}`, () => {
      const lines = renderKeys(REPORT, { columns, style });
      expect(lines.join('\n')).toMatchSnapshot();
      expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns);
      if (!color) expect(lines.join('\n')).toMatch(/^[\n -~]*$/);
    });
    it(`the list of keys and logins at ${look}`, () => {
      const lines = renderKeys(WITH_LOGINS, { columns, style });
      expect(lines.join('\n')).toMatchSnapshot();
      expect(lines.join('\n')).not.toContain('eyJ');
      expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns);
    });
    it(`the results of tests at ${look}`, () => {
      const lines = renderKeyTests(TESTS, { columns, style });
      expect(lines.join('\n')).toMatchSnapshot();
      expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns);
    });
  }
}

it('60 columns hold priority and weight too', () => {
  const candidates = REPORT.candidates.map((each) => ({ ...each, key: { ...each.key, weight: 500 } }));
  const lines = renderKeys({ ...REPORT, candidates }, { columns: 60, style: createStyle({ color: false, plain: true }) });
  expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(60);
  expect(lines.join('\n')).toMatch(/KEY +STATUS +PRIORITY +WEIGHT +FILE/);
});

it('no view holds a key', () => {
  const text = [...renderKeys(REPORT, { columns: 120, style: createStyle({ color: false, plain: true }) })].join('\n');
  for (const { key } of REPORT.candidates) expect(text).not.toContain(key.value);
  expect(text).toContain('sk-k***6789');
});

it('an empty folder says what to do', () => {
  const empty = { ...REPORT, candidates: [], skipped: [] };
  expect(renderKeys(empty, { columns: 80, style: createStyle({ color: false, plain: true }) })).toEqual([
    'There are no keys in _auths, and no logins.',
    '`kmi login` logs in with an account, `kmi keys add` adds a key.',
  ]);
});

it('keys of one account are named, unless only one of them is enabled', () => {
  const account = { id: 'a1b2c3d4', at: NOW };
  const pair = (disabled: boolean) => [
    candidate('work', { source: 'work.env' }, { state: { account } }),
    candidate('spare', { source: 'spare.env' }, { state: { account }, disabled }),
  ];
  const shown = (candidates: KeysReport['candidates']) =>
    renderKeys({ ...REPORT, candidates, skipped: [] }, { columns: 80, style: createStyle({ color: false, plain: true }) }).join(
      '\n',
    );
  expect(shown(pair(false))).toMatch(/^2 keys, 1 account in _auths\n[\s\S]*\nKeys of one account: work, spare\. A second key/);
  expect(shown(pair(true))).toMatch(/^2 keys, 1 account in _auths\n/);
  expect(shown(pair(true))).not.toContain('second key');
});
