import { expect, test } from 'vitest';
import {
  type AuthorityFact,
  checkLogins,
  type LoginFact,
  type LoginFacts,
  type SharedFact,
} from '../../src/doctor/checks-logins.ts';
import { askAuthority } from '../../src/doctor/reach.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const MINUTE = 60_000;
const DAY = 86_400_000;

const own: LoginFact = {
  label: 'ada',
  kind: 'own',
  region: 'mainland-cn',
  baseUrl: 'https://api.kimi.com/coding/v1',
  disabled: false,
  createdAt: NOW - 12 * DAY,
  expiresAt: NOW + 9 * MINUTE,
  isOver: false,
  problem: null,
  shared: null,
};
const shared = { file: '~/.kimi-code/credentials/kimi-code.json', whyNotLockable: null, lock: null };
const ofKimiCode: LoginFact = { ...own, label: 'ben', kind: 'kimi-code', shared };
const ofKimiCli: LoginFact = {
  ...own,
  label: 'cleo',
  kind: 'kimi-cli',
  shared: { ...shared, file: '~/.kimi/credentials/kimi-code.json' },
};

function findings(logins: readonly LoginFact[], more: Partial<LoginFacts> = {}) {
  return checkLogins({ now: NOW, logins, broken: [], authorities: [], ...more });
}

/** Level, text, details and fix of a check. */
function said(logins: readonly LoginFact[], check: string, more: Partial<LoginFacts> = {}): string[] {
  return findings(logins, more)
    .filter((finding) => finding.check === check)
    .map(({ level, text, details, fix }) =>
      [`${level}: ${text}`, ...details, ...(fix === null ? [] : [`-> ${fix}`])].join(' | '),
    );
}

test('without logins there is nothing to say, and nobody to ask', () => {
  expect(findings([])).toEqual([]);
  expect(findings([], { authorities: null })).toEqual([]);
});

test('each login in force is told with its age and how long its token is good', () => {
  const ended = { ...own, label: 'eve', expiresAt: NOW - 3 * 60 * MINUTE, disabled: true };
  expect(said([own, ofKimiCode, ended, { ...own, label: 'fay', expiresAt: null }], 'login_state')).toEqual([
    [
      'ok: 4 logins in force:',
      "ada: kmi's own, made 12 d ago; its token is good for 9 min",
      "ben: Kimi Code's, in use for 12 d; its token is good for 9 min",
      "eve: kmi's own, made 12 d ago; its token ended 3 h ago, and the next use renews it; disabled",
      "fay: kmi's own, made 12 d ago; its token names no end",
    ].join(' | '),
  ]);
});

test('a login that has expired names why, and the command that mends it', () => {
  const over = (login: LoginFact, problem: string | null = null) => ({ ...login, isOver: true, problem });
  expect(
    said([over(own), over(ofKimiCode, 'Kimi Code has logged out; log in there again.'), over(ofKimiCli)], 'login_state'),
  ).toEqual([
    'warn: The login ada has expired. | -> `kmi login --label ada` logs in again.',
    'warn: The login ben of Kimi Code has expired. Kimi Code has logged out; log in there again. | -> Log in again in Kimi Code: `kimi login`.',
    'warn: The login cleo of kimi-cli has expired. | -> kmi cannot renew a login of kimi-cli: `kmi login --label cleo` makes one of its own.',
  ]);
});

test('a file that gives no login fails', () => {
  const broken = [{ file: '/s/logins/1a2b3c4d.json', detail: 'It is not a JSON object.' }];
  expect(said([], 'login_file', { broken })).toEqual([
    'fail: /s/logins/1a2b3c4d.json: It is not a JSON object. | -> If it is damaged, remove it, then log in again with `kmi login`.',
  ]);
});

test.each<[string, LoginFact['region'], RegExp | null]>([
  ['https://api.kimi.com/coding/v1', 'mainland-cn', null],
  ['https://api.kimi.ai/coding/v1', 'global', null],
  ['https://gateway.example.com/v1', 'global', null],
  ['http://127.0.0.1:9/coding/v1', 'mainland-cn', null],
  [
    'https://api.kimi.ai/coding/v1',
    'mainland-cn',
    /region mainland-cn, but its requests go to api\.kimi\.ai.*--region global --label ada/,
  ],
  [
    'https://api.kimi.com/coding/v1',
    'global',
    /region global, but its requests go to api\.kimi\.com.*--region mainland-cn --label ada/,
  ],
])('requests to %s for a login of %s', (baseUrl, region, words) => {
  const [finding] = said([{ ...own, baseUrl, region }], 'login_region');
  if (words === null) expect(finding).toBeUndefined();
  else expect(finding).toMatch(words);
});

test('who shares a login, and whether its lock is held, is told', () => {
  const held = (lock: SharedFact['lock']): LoginFact => ({ ...ofKimiCode, shared: { ...shared, lock } });
  const about = 'info: ben is the login of Kimi Code, which goes on using it (~/.kimi-code/credentials/kimi-code.json)';
  expect(said([held(null)], 'login_shared')).toEqual([`${about}; nobody renews it at this moment.`]);
  expect(said([held({ touchedAt: NOW - 2_000, isStale: false })], 'login_shared')).toEqual([
    `${about}; it is being renewed at this moment.`,
  ]);
  expect(said([held({ touchedAt: NOW - 60_000, isStale: true })], 'login_shared')).toEqual([
    `${about}; a process that renewed it ended 1 min ago without giving the lock back, which does no harm.`,
  ]);
  expect(said([own], 'login_shared')).toEqual([]);
});

test('a lock that cannot be made fails, and only where kmi would take it', () => {
  const whyNotLockable = '/h/.kimi-code/oauth cannot be a folder (ENOTDIR).';
  const closed = (login: LoginFact): LoginFact => ({ ...login, shared: { ...shared, whyNotLockable } });
  expect(said([closed(ofKimiCode)], 'login_lock')[0]).toMatch(
    /^fail: The login ben cannot be renewed, because its lock cannot be created\. .*ENOTDIR/,
  );
  expect(said([closed(ofKimiCli), ofKimiCode, own], 'login_lock')).toEqual([]);
});

test("kimi-cli's login is used, and does not last", () => {
  expect(said([ofKimiCli, ofKimiCode, own], 'login_kimi_cli')).toEqual([
    "warn: cleo is a login of kimi-cli, which is archived. kmi uses it while its token is valid, and never renews it. | -> `kmi login --label cleo` makes a login of kmi's own.",
  ]);
  expect(said([{ ...ofKimiCli, isOver: true }], 'login_kimi_cli')).toEqual([]);
});

const authority: AuthorityFact = { host: 'auth.kimi.com', labels: ['ada', 'ben'], aheadMs: 400, problem: null };

test.each<[string, AuthorityFact[] | null, RegExp]>([
  ['answers', [authority], /^ok: auth\.kimi\.com answers, and both clocks agree\.$/],
  ['tells no time', [{ ...authority, aheadMs: null }], /^ok: auth\.kimi\.com answers\.$/],
  ['is behind', [{ ...authority, aheadMs: 3 * MINUTE }], /^warn: The clock is 3 min ahead of that of auth\.kimi\.com/],
  ['is ahead', [{ ...authority, aheadMs: -90_000 }], /^warn: The clock is 1 min behind that of auth\.kimi\.com/],
  [
    'is away',
    [{ ...authority, problem: 'connection refused' }],
    /^warn: auth\.kimi\.com, which renews ada, ben, does not answer: connection refused\. .*present tokens last/,
  ],
  ['is not asked', null, /^info: Authorisation servers are not asked in dry-run\.$/],
])('an authorisation server that %s', (_, authorities, words) => {
  expect(said([own], 'login_host', { authorities })[0]).toMatch(words);
});

test('the clock of an authorisation server is read from its answer, and a silent one is waited for only so long', async () => {
  const headers = { date: new Date(NOW).toUTCString() };
  const get = async () => ({ status: 404, headers, body: '' });
  const at = (now: number) => askAuthority('https://auth.kimi.com', { get, now: () => now });
  expect(await at(NOW + 500)).toEqual({ aheadMs: 0, problem: null });
  expect(await at(NOW + 2 * MINUTE + 500)).toEqual({ aheadMs: 2 * MINUTE, problem: null });
  const dateless = async () => ({ status: 200, headers: {}, body: '' });
  expect(await askAuthority('https://auth.kimi.com', { get: dateless })).toEqual({ aheadMs: null, problem: null });
  const silent = (_: string, { signal }: { signal: AbortSignal }) =>
    new Promise<never>((_, reject) => {
      // The signal's own timer keeps no process alive.
      const alive = setInterval(() => undefined, 1000);
      signal.addEventListener('abort', () => {
        clearInterval(alive);
        reject(signal.reason);
      });
    });
  expect(await askAuthority('https://auth.kimi.com', { get: silent, timeoutMs: 50 })).toEqual({
    aheadMs: null,
    problem: 'nothing within 0.05 s',
  });
});
