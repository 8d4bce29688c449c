import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/settings.ts';
import { parseProxy, shownProxy } from '../../src/core/network/outgoing-proxy.ts';
import { checkFiles, type FileFact, type FilesFacts } from '../../src/doctor/checks-files.ts';
import { checkKeys, type KeyFact, type KeyFacts } from '../../src/doctor/checks-keys.ts';
import { checkProxy, type ProxyFacts } from '../../src/doctor/checks-proxy.ts';
import { checkRecheck } from '../../src/doctor/checks-recheck.ts';
import { checkSetup, type SetupFacts } from '../../src/doctor/checks-setup.ts';
import { checkClock, checkOutgoingProxies, checkUpstreams, type UpstreamFact } from '../../src/doctor/checks-upstream.ts';
import { answersOf, type Finding, shorten, summarize } from '../../src/doctor/finding.ts';
import { outgoingProxies } from '../../src/doctor/outgoing-proxies.ts';
import { describeRepair, pickRepairs } from '../../src/doctor/repairs.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const DAY = 86_400_000;

function configOf(settings: Partial<Config> = {}): Config {
  return { ...loadConfig({}, '/nonexistent').config, ...settings };
}

/** The finding of a check: its level and its words in one line. */
function said(findings: readonly Finding[], check: string): string[] {
  return findings
    .filter((finding) => finding.check === check)
    .map(({ level, text, details }) => [`${level}: ${text}`, ...details].join(' | '));
}

const setup: SetupFacts = {
  nodeVersion: '22.3.0',
  envFile: '/home/kim/.env',
  notUsed: [],
  config: { dryRun: false, autoRotateAllowed: true },
  autoRotate: true,
  strategy: 'sticky',
};

test.each([
  ['20.19.0', 'ok'],
  ['20.20.2', 'ok'],
  ['22.0.0', 'ok'],
  ['20.18.9', 'fail'],
  ['18.20.0', 'fail'],
])('Node %s: %s', (nodeVersion, level) => {
  expect(said(checkSetup({ ...setup, nodeVersion }), 'node_version')[0]).toMatch(new RegExp(`^${level}: Node ${nodeVersion}`));
});

test.each([
  [true, true, 'ok'],
  [true, false, 'info'],
  [false, true, 'warn'],
  [false, false, 'info'],
])('auto-rotation allowed %s and on %s: %s', (autoRotateAllowed, autoRotate, level) => {
  const findings = checkSetup({ ...setup, config: { dryRun: false, autoRotateAllowed }, autoRotate });
  expect(said(findings, 'auto_rotate')[0]).toMatch(new RegExp(`^${level}: `));
});

test('dry-run is a warning, since the proxy looks alive and sends nothing; a missing env file is none', () => {
  const findings = checkSetup({ ...setup, envFile: null, config: { ...setup.config, dryRun: true } });
  expect(said(findings, 'dry_run')[0]).toMatch(/^warn: Dry-run/);
  expect(said(findings, 'env_file')[0]).toMatch(/^info: /);
  expect(said(checkSetup(setup), 'env_file')).toEqual(['ok: Settings come from /home/kim/.env and the environment.']);
});

const ready = (label: string, email: string | null = null): KeyFact => ({
  label,
  email,
  status: 'ready',
  why: null,
  isClosed: false,
  isLogin: false,
  isExpired: false,
  hasExpired: false,
});
const out = (label: string, status: KeyFact['status'], why = 'because'): KeyFact => ({ ...ready(label), status, why });
const keysOf = (keys: readonly KeyFact[], more: Partial<KeyFacts> = {}): KeyFacts => ({
  folder: '/a',
  folderExists: true,
  keys,
  skipped: [],
  accounts: new Map(),
  ...more,
});

test.each([
  [[ready('a'), ready('b')], 'ok: All keys can serve.'],
  [[ready('a')], 'ok: The key can serve.'],
  [[ready('a'), out('b', 'cooldown', 'quota used up')], 'info: 1 of 2 keys cannot serve now: | b: quota used up'],
  [[ready('a'), out('b', 'disabled', 'disabled here')], 'info: 1 of 2 keys cannot serve now: | b: disabled here'],
  [[ready('a'), out('b', 'blocked', 'refused')], 'warn: 1 of 2 keys cannot serve now: | b: refused'],
  [[out('a', 'cooldown', 'x'), out('b', 'blocked', 'y')], 'fail: No key can serve now: | a: x | b: y'],
])('keys that serve and keys that do not: %#', (keys, words) => {
  expect(said(checkKeys(keysOf(keys)), 'key_states')).toEqual([words]);
});

test('a recheck is advised for keys that it can unblock only; a closed account needs Kimi support', () => {
  const closed: KeyFact = { ...out('b', 'blocked', 'account closed by Kimi'), isClosed: true };
  const fixOf = (...keys: KeyFact[]) => checkKeys(keysOf(keys)).find(({ check }) => check === 'key_states')?.fix;
  expect(fixOf(ready('a'), closed)).toBe(
    'Write to Kimi support about a closed account. Once it is open again, `kmi doctor --clear-blocklist` unblocks its keys.',
  );
  expect(fixOf(ready('a'), closed, out('c', 'blocked'))).toMatch(
    /--recheck-keys.*none of a closed account\. Write to Kimi support/,
  );
  expect(fixOf(ready('a'), out('c', 'blocked'))).not.toContain('support');
});

test('no keys, no folder and skipped files are told apart', () => {
  expect(said(checkKeys(keysOf([])), 'auth_keys')).toEqual(['fail: There are no keys in /a, and no logins.']);
  expect(said(checkKeys(keysOf([], { folderExists: false })), 'auth_keys')).toEqual([
    'fail: The auths folder /a does not exist.',
  ]);
  const skipped = [{ file: 'x.toml', detail: 'It is not TOML.' }];
  expect(said(checkKeys(keysOf([ready('a')], { skipped })), 'auth_files_skipped')).toEqual([
    'warn: 1 auth file skipped: | x.toml: It is not TOML.',
  ]);
});

test('logins are counted beside keys, need no auths folder, and one that has expired is no matter of a recheck', () => {
  const login = (label: string): KeyFact => ({ ...ready(label), isLogin: true });
  expect(said(checkKeys(keysOf([ready('a'), login('b')])), 'auth_keys')).toEqual(['ok: 1 key in /a and 1 login.']);
  const accounts = new Map([
    ['b', 'u1'],
    ['c', 'u2'],
  ]);
  expect(said(checkKeys(keysOf([login('b'), login('c')], { folderExists: false, accounts })), 'auth_keys')).toEqual([
    'ok: 2 logins, 2 accounts.',
  ]);
  const expired: KeyFact = { ...login('d'), status: 'blocked', why: 'login expired', isExpired: true };
  const fixOf = (...keys: KeyFact[]) => checkKeys(keysOf(keys)).find(({ check }) => check === 'key_states')?.fix;
  expect(fixOf(ready('a'), expired)).toBe('Log in again; how stands under Logins.');
  expect(fixOf(out('c', 'blocked'), expired)).toMatch(/--recheck-keys.*\. Log in again; how stands under Logins\.$/);
});

test('keys of one account are found by user_id for sure, by email with a doubt, and user_id has the last word', () => {
  const keys = [ready('a', 'x@example.com'), ready('b', 'X@example.com'), ready('c'), ready('d')];
  expect(said(checkKeys(keysOf(keys)), 'same_account')).toEqual([
    'warn: a, b have the same email, so they are probably of one account.',
  ]);
  const accounts = new Map([
    ['a', 'u1'],
    ['b', 'u2'],
    ['c', 'u3'],
    ['d', 'u3'],
  ]);
  expect(said(checkKeys(keysOf(keys, { accounts })), 'same_account')).toEqual(['warn: c, d belong to one account.']);
  expect(said(checkKeys(keysOf(keys, { accounts })), 'auth_keys')).toEqual(['ok: 4 keys, 3 accounts in /a.']);
  const partly = new Map([['a', 'u1']]);
  expect(said(checkKeys(keysOf(keys, { accounts: partly })), 'auth_keys')).toEqual(['ok: 4 keys, at most 4 accounts in /a.']);
  expect(said(checkKeys(keysOf(keys)), 'auth_keys')).toEqual(['ok: 4 keys in /a.']);
});

test('a second key of an account that is disabled is no cause for a warning', () => {
  const off = (label: string, email: string | null = null): KeyFact => ({
    ...ready(label, email),
    status: 'disabled',
    why: 'disabled in its auth file',
  });
  const accounts = new Map([
    ['a', 'u1'],
    ['b', 'u1'],
  ]);
  expect(said(checkKeys(keysOf([ready('a'), off('b')], { accounts })), 'same_account')).toEqual([]);
  expect(said(checkKeys(keysOf([ready('a', 'x@example.com'), off('b', 'x@example.com')])), 'same_account')).toEqual([]);
});

test('the strategy of auto-rotation is named', () => {
  expect(said(checkSetup(setup), 'auto_rotate')).toEqual(['ok: Auto-rotation is allowed and on: sticky.']);
});

test('what has run out is mentioned and can be mended', () => {
  const expired = { ...ready('a'), hasExpired: true };
  expect(said(checkKeys(keysOf([expired])), 'expired_blocks')).toEqual(['info: Expired blocks or cooldowns: a.']);
  const file: FileFact = { path: '/s/state.json', kind: 'file', mode: 0o644, isOwn: true, owner: 'me', bytes: 1, changedAt: NOW };
  const facts = {
    privatePaths: [file, { ...file, path: '/s/other', isOwn: false }, { ...file, path: '/s/closed', mode: 0o600 }],
    enforceFilePerms: true,
    listener: { is: 'stale', pid: 7 } as const,
    keys: [expired, ready('b')],
  };
  const repairs = pickRepairs(facts);
  expect(repairs).toEqual([
    { kind: 'close_permissions', path: '/s/state.json' },
    { kind: 'remove_stale_pid', pid: 7 },
    { kind: 'clear_expired', label: 'a' },
  ]);
  for (const repair of repairs) expect(describeRepair(repair)).toMatch(/\.$/);
  expect(pickRepairs({ ...facts, enforceFilePerms: false, listener: { is: 'stopped' }, keys: [] })).toEqual([]);
});

test('a recheck says who answered and who did not', () => {
  expect(checkRecheck(null)).toEqual([]);
  const findings = checkRecheck(
    new Map([
      ['a', { is: 'answers', remainingShare: 0.745 }],
      ['b', { is: 'answers', remainingShare: null }],
      ['c', { is: 'fails', error: 'HTTP 401: no' }],
    ]),
  );
  expect(said(findings, 'recheck')).toEqual([
    'ok: 2 keys answered the recheck: | a: 75 % left | b',
    'warn: 1 key did not: | c: HTTP 401: no',
  ]);
});

const proxyFacts = (settings: Partial<Config> = {}, more: Partial<ProxyFacts> = {}): ProxyFacts => ({
  config: configOf(settings),
  url: 'http://127.0.0.1:54123/kmi-rotor/v1',
  version: '1.0.0',
  listener: { is: 'running', pid: 5, version: '1.0.0' },
  certificate: { is: 'none' },
  upstreams: ['https://api.kimi.com/coding/v1'],
  outgoingProxies: [],
  now: NOW,
  ...more,
});
const REMOTE = { proxyListen: { host: '0.0.0.0', port: 54123 } };

test.each<[string, string, RegExp, Partial<Config>]>([
  ['a loopback bind', 'proxy_bind', /^ok: /, {}],
  ['a remote bind without permission', 'proxy_bind', /^fail: .*not permitted/, REMOTE],
  ['a permitted remote bind', 'proxy_bind', /^warn: /, { ...REMOTE, proxyAllowRemote: true }],
  ['a remote bind without TLS', 'proxy_tls', /^fail: /, REMOTE],
  ['a remote bind with TLS waived', 'proxy_tls', /^warn: /, { ...REMOTE, proxyRequireTls: false }],
  ['TLS that ends in front', 'proxy_tls', /^info: /, { ...REMOTE, proxyTlsTerminated: true }],
  ['no token on loopback', 'proxy_token', /^info: /, {}],
  ['a token on loopback', 'proxy_token', /^ok: /, { proxyToken: 'x' }],
  ['no token on a remote bind', 'proxy_token', /^fail: /, REMOTE],
  ['a short token on a remote bind', 'proxy_token', /^warn: /, { ...REMOTE, proxyToken: 'secret' }],
  ['a long token on a remote bind', 'proxy_token', /^ok: /, { ...REMOTE, proxyToken: 'a-long-and-random-text' }],
])('%s', (_, check, words, settings) => {
  expect(said(checkProxy(proxyFacts(settings)), check)[0]).toMatch(words);
});

test('a loopback bind without TLS needs no word about it', () => {
  expect(said(checkProxy(proxyFacts()), 'proxy_tls')).toEqual([]);
});

test.each<[ProxyFacts['certificate'], RegExp]>([
  [{ is: 'unusable', problem: '/c.pem cannot be read (ENOENT).' }, /^fail: Own TLS: \/c\.pem/],
  [{ is: 'usable', validFrom: NOW - DAY, validTo: NOW - 1 }, /^fail: .*expired on 2026-11-20/],
  [{ is: 'usable', validFrom: NOW + DAY, validTo: NOW + 2 * DAY }, /^fail: .*not valid yet/],
  [{ is: 'usable', validFrom: NOW - DAY, validTo: NOW + 3 * DAY }, /^warn: .*expires on 2026-11-23/],
  [{ is: 'usable', validFrom: NOW - DAY, validTo: NOW + 300 * DAY }, /^ok: /],
])('a certificate %#', (certificate, words) => {
  expect(said(checkProxy(proxyFacts({}, { certificate })), 'proxy_tls')[0]).toMatch(words);
});

test.each<[ProxyFacts['listener'], RegExp]>([
  [{ is: 'running', pid: 5, version: '1.0.0' }, /^ok: Answers at .*pid 5/],
  [{ is: 'running', pid: 5, version: '0.9.0' }, /^warn: .*is version 0\.9\.0; this is 1\.0\.0/],
  [{ is: 'stopped' }, /^warn: Does not run/],
  [{ is: 'stale', pid: 9 }, /^warn: .*process 9 ended/],
  [{ is: 'odd', text: 'A stranger.', hint: 'h', blocks: true }, /^fail: A stranger\./],
  [{ is: 'odd', text: 'Elsewhere.', hint: 'h', blocks: false }, /^warn: Elsewhere\./],
])('listening %#', (listener, words) => {
  expect(said(checkProxy(proxyFacts({}, { listener })), 'proxy_listening')[0]).toMatch(words);
});

test.each<[string, string, boolean]>([
  ['http://127.0.0.1:54123/kmi-rotor/v1', '127.0.0.1', true],
  ['http://localhost:54123/v1', '127.0.0.1', true],
  ['http://[::1]:54123/v1', '::', true],
  ['http://127.0.0.1:54124/v1', '127.0.0.1', false],
  ['https://api.kimi.com/coding/v1', '127.0.0.1', false],
  ['http://10.0.0.1:54123', '127.0.0.1', false],
  ['not a url', '127.0.0.1', false],
])('an upstream or outgoing proxy %s, while bound to %s, leads back here: %s', (url, host, leadsHere) => {
  const settings = { proxyListen: { host, port: 54123 } };
  const facts = proxyFacts(settings, { upstreams: [url], outgoingProxies: [{ ...parseProxy(url), variable: 'HTTPS_PROXY' }] });
  expect(said(checkProxy(facts), 'proxy_loop')).toHaveLength(leadsHere ? 2 : 0);
});

test('outgoing proxies are read in both spellings', () => {
  const environment = { https_proxy: ' p:1 ', HTTP_PROXY: '', ALL_PROXY: 'socks5://q:2' };
  const named = outgoingProxies({ upstreamProxy: 'http://r:3' }, environment);
  expect(named.map((proxy) => ('problem' in proxy ? proxy : `${proxy.variable} ${shownProxy(proxy)}`))).toEqual([
    'KMI_UPSTREAM_PROXY r:3',
    'https_proxy p:1',
    'ALL_PROXY q:2',
  ]);
  expect(outgoingProxies({ upstreamProxy: 'none' }, environment)).toEqual([]);
});

test.each([
  [
    { HTTPS_PROXY: 'socks4://u:hunter2@p:1' },
    ['warn: HTTPS_PROXY cannot be used as the outgoing proxy: SOCKS4 is not supported.'],
  ],
  [{ http_proxy: 'p:1' }, ['info: http_proxy is for http:// addresses alone: calls to the upstream go out directly.']],
  [{ HTTP_PROXY: 'p:1', HTTPS_PROXY: 'p:1' }, []],
  [{ ALL_PROXY: 'p:1' }, []],
])('of the outgoing proxies %j it is said: %j', (environment, words) => {
  expect(said(checkOutgoingProxies(outgoingProxies({ upstreamProxy: '' }, environment)), 'outgoing_proxy')).toEqual(words);
});

const aFile = (path: string, more: Partial<FileFact> = {}): FileFact => ({
  path,
  kind: 'file',
  mode: 0o600,
  isOwn: true,
  owner: 'me',
  bytes: 3000,
  changedAt: NOW,
  ...more,
});
const ROOTS = { text: 'The folder /s belongs to root, and you cannot read it.', fix: 'sudo chown -R me /s' };
const files = (more: Partial<FilesFacts> = {}): FilesFacts => ({
  stateDir: '/s',
  stateDirProblem: null,
  obstacles: [],
  state: aFile('/s/state.json'),
  corrupt: [],
  damagedQuota: null,
  trace: aFile('/s/t'),
  log: aFile('/s/l'),
  privatePaths: [aFile('/s/state.json')],
  enforceFilePerms: true,
  ...more,
});

test.each<[string, Partial<FilesFacts>, string, RegExp]>([
  ['all is well', {}, 'state_file', /^ok: /],
  ['a first run', { state: null }, 'state_file', /^info: No state in \/s yet/],
  ['a folder that cannot be written', { stateDirProblem: ROOTS }, 'state_file', /^fail: .*The folder \/s belongs to root/],
  ['a file that cannot be read', { obstacles: [ROOTS] }, 'access', /^fail: The folder \/s belongs to root/],
  ['damaged readings', { damagedQuota: '/s/quota.json' }, 'quota_file', /^warn: \/s\/quota\.json is damaged/],
  ['a state that was moved aside', { corrupt: ['/s/state.json.corrupt.1'] }, 'state_corrupt', /^warn: .*corrupt\.1$/],
  ['no trace', { trace: null }, 'trace_file', /^info: No trace yet/],
  ['a trace', {}, 'trace_file', /^ok: The trace \/s\/t \(3 KiB\)\./],
  ['a log of megabytes', { log: aFile('/s/l', { bytes: 3_500_000 }) }, 'log_file', /3\.3 MiB/],
  ['an empty log', { log: aFile('/s/l', { bytes: 0 }) }, 'log_file', /0 bytes/],
  ["another user's log", { log: aFile('/s/l', { isOwn: false, owner: 'eve' }) }, 'log_file', /^warn: .*belongs to eve/],
  ['closed files', {}, 'permissions', /^ok: /],
  ['an open file', { privatePaths: [aFile('/s/x', { mode: 0o644 })] }, 'permissions', /^warn: .*\/s\/x \(644\)/],
  [
    'an open file that may stay so',
    { privatePaths: [aFile('/s/x', { mode: 0o644 })], enforceFilePerms: false },
    'permissions',
    /^info: /,
  ],
  ['a system without permissions', { privatePaths: [aFile('/s/x', { mode: null })] }, 'permissions', /^info: /],
])('files: %s', (_, facts, check, words) => {
  expect(said(checkFiles(files(facts)), check)[0]).toMatch(words);
});

test("--fix is not promised for another user's files", () => {
  const open = aFile('/s/x', { mode: 0o644, isOwn: false });
  const [finding] = checkFiles(files({ privatePaths: [open] })).filter(({ check }) => check === 'permissions');
  expect(finding?.fix).toContain('only they can close');
});

const answer: UpstreamFact = { reached: 'answer', status: 401, contentType: 'application/json', ms: 12, date: NOW };

test.each<[UpstreamFact, string | null, RegExp]>([
  [answer, null, /^ok: api\.kimi\.com answers \(DNS, TLS and HTTP fine, 12 ms\)/],
  [answer, 'proxy:8080', /^ok: api\.kimi\.com answers through proxy:8080 \(HTTP fine/],
  [{ ...answer, status: 503 }, null, /^warn: .*HTTP 503/],
  [{ ...answer, status: 302 }, null, /^warn: .*redirects/],
  [{ ...answer, status: 200, contentType: 'text/html' }, null, /^warn: .*web page/],
  [
    { reached: 'name', reason: 'host not found (ENOTFOUND)' },
    null,
    /^fail: api\.kimi\.com has no address: host not found \(ENOTFOUND\)/,
  ],
  [{ reached: 'connection', reason: 'ECONNREFUSED' }, null, /^fail: .*no connection comes about: ECONNREFUSED/],
  [{ reached: 'tls', reason: 'CERT_HAS_EXPIRED' }, null, /^fail: .*TLS fails: CERT_HAS_EXPIRED/],
  [{ reached: 'http', reason: 'nothing within 5 s' }, 'p:1', /^fail: .*through p:1, but does not answer/],
  [
    { reached: 'proxy', reason: 'The outgoing proxy p:1 refused.', hint: 'Ask.' },
    'p:1',
    /^fail: The outgoing proxy p:1 refused\./,
  ],
])('upstream %#', (fact, via, words) => {
  const findings = checkUpstreams([{ baseUrl: 'https://api.kimi.com/coding/v1', via, fact }]);
  expect(said(findings, 'upstream')[0]).toMatch(words);
});

test('in dry-run nobody is asked, and that is said', () => {
  expect(said(checkUpstreams(null), 'upstream')).toEqual(['info: Not asked in dry-run.']);
});

test.each([
  [{ upstreamDate: NOW - 299_000 }, /^ok: /],
  [{ upstreamDate: NOW - 301_000 }, /^fail: .*5 minutes ahead/],
  [{ upstreamDate: NOW + 3_600_000 }, /^fail: .*60 minutes behind/],
  [{}, /^ok: .*not compared/],
  [{ now: Date.UTC(2001, 0, 1) }, /^fail: .*2001-01-01/],
  [{ stateChangedAt: NOW + 600_000 }, /^warn: .*set back/],
])('the clock: %j', (facts, words) => {
  const finding = checkClock({ now: NOW, upstreamDate: null, stateChangedAt: null, ...facts });
  expect(said([finding], 'clock')[0]).toMatch(words);
});

test('long lists are cut and say so; levels are counted', () => {
  const lines = Array.from({ length: 12 }, (_, n) => `${n}`);
  expect(shorten(lines)).toEqual(['0', '1', '2', '3', '4', '5', '6', 'and 5 more']);
  expect(shorten(lines.slice(0, 8))).toEqual(lines.slice(0, 8));
  const { ok, warn, fail, info } = answersOf('Keys', 'x');
  expect(summarize([ok('a'), ok('b'), warn('c', 'd'), fail('e', 'f'), info('g')])).toEqual({ ok: 2, info: 1, warn: 1, fail: 1 });
});
