import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/cli/ui/width.ts';
import type { StatusReport } from '../../src/cli/views/status/report.ts';
import { renderStatus } from '../../src/cli/views/status/view.ts';
import { VERSION } from '../../src/version.ts';
import {
  account,
  COLORED,
  candidate,
  configOf,
  HOUR,
  healthOf,
  LOOKS,
  mixedPool,
  NOW,
  PLAIN,
  UNCOLORED,
  visible,
  window,
} from './fixture.ts';

const NO_MOVES = { count: 0, tokens: 0 };

const keys = { total: 1, ready: 1, cooldown: 0, out: 0 };

function report(change: Partial<StatusReport> = {}): StatusReport {
  return {
    config: configOf(),
    now: NOW,
    probe: { kind: 'nothing' },
    url: 'http://127.0.0.1:54123/kmi-rotor/v1',
    daemonLog: '/home/kim/.kmi/logs/proxy.out',
    candidates: [candidate('ada'), candidate('ben')],
    today: new Map(),
    activeIndex: 0,
    next: 'ada',
    state: {
      activeKey: null,
      rotationIndex: 1,
      autoRotate: false,
      strategy: null,
      lastHealthRefresh: null,
      sessionMoves: NO_MOVES,
    },
    folderExists: true,
    skipped: [],
    notUsed: [],
    ...change,
  };
}

const troubled = report({
  config: configOf({ dryRun: false, autoRotateAllowed: true }),
  probe: { kind: 'running', pid: 4711, version: VERSION, uptimeSeconds: 7_500, keys },
  // Only readings that succeeded are saved.
  candidates: mixedPool({ asked: true }).map((each) => (each.health?.error == null ? each : { ...each, health: null })),
  today: new Map([
    ['ada', 128],
    ['ben', 37],
  ]),
  state: {
    activeKey: 'ada',
    rotationIndex: 2,
    autoRotate: true,
    strategy: null,
    lastHealthRefresh: NOW - 190_000,
    sessionMoves: NO_MOVES,
  },
  skipped: [
    { file: '/home/kim/_auths/old/broken.toml', reason: 'malformed', detail: 'The file is not valid TOML (line 2, column 4).' },
    { file: '/home/kim/_auths/twin.env', reason: 'duplicate_key', detail: 'It holds the same key as ada.env.' },
  ],
});

const text = (of: StatusReport, style = PLAIN) => renderStatus(of, { columns: 80, style }).join('\n');
const allOf = (of: StatusReport) => renderStatus(of, { columns: 80, style: PLAIN, all: true }).join('\n');

/** A live pool of two whose quota was read, under sticky. */
const read = report({
  config: configOf({ dryRun: false, autoRotateAllowed: true, rotateStrategy: 'sticky' }),
  probe: { kind: 'running', pid: 4711, version: VERSION, uptimeSeconds: 7_500, keys },
  candidates: [
    candidate('work', {
      health: healthOf([window('5h limit', 0.99, NOW + 2 * HOUR), window('7d limit', 0.96, NOW + 76 * HOUR)]),
    }),
    candidate('home', { health: healthOf([window('5h limit', 0.03, NOW + 2 * HOUR), window('7d limit', 0.5, NOW + 76 * HOUR)]) }),
  ],
  today: new Map([['work', 30]]),
  state: { ...report().state, autoRotate: true },
});

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('the status of a healthy pool', () => {
    expect(visible(renderStatus(report(), { columns, style }))).toMatchSnapshot();
  });

  test('the status of a pool with every trouble', () => {
    expect(visible(renderStatus(troubled, { columns, style }))).toMatchSnapshot();
  });

  test('the status of a live pool whose quota was read', () => {
    expect(visible(renderStatus(read, { columns, style }))).toMatchSnapshot();
  });

  test('everything there is to say', () => {
    expect(visible(renderStatus(troubled, { columns, style, all: true }))).toMatchSnapshot();
  });
});

test.each([60, 80, 120])(
  'in %i columns no line is wider, no word is broken, and colour only adds to what the words say',
  (columns) => {
    for (const of of [troubled, read, report()]) {
      for (const all of [false, true]) {
        const lines = renderStatus(of, { columns, style: COLORED, all });
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
        const bare = lines.map(stripVTControlCharacters);
        expect(bare).toEqual(renderStatus(of, { columns, style: UNCOLORED, all }));
        // Every word stands on a line as it stands on a wide one; long labels and paths are cut or broken.
        const wide = new Set(renderStatus(of, { columns: 120, style: UNCOLORED, all }).flatMap((line) => line.split(/\s+/)));
        const words = bare.flatMap((line) => line.split(/\s+/)).filter((word) => !/[…/]/.test(word));
        expect(words.filter((word) => !wide.has(word))).toEqual([]);
        expect(bare.join('')).not.toMatch(/[\u2500-\u257f]/);
      }
    }
  },
);

test('plain output is ASCII', () => {
  const ascii = /^[\n\u0020-\u007e]*$/;
  expect(text(report())).toMatch(ascii);
  expect(text({ ...troubled, candidates: troubled.candidates.filter(({ key }) => ascii.test(key.label)) })).toMatch(ascii);
});

test('one line says whether the proxy runs, where, for how long, whether for real and how it chooses', () => {
  expect(text(read)).toMatch(/^Proxy {2}running at 127\.0\.0\.1:54123, up 2 h 5 min, live, sticky\n\n/);
  expect(text(report())).toMatch(
    /^Proxy {2}not running \(dry-run, manual\); start it with `kmi proxy`\n {7}Dry-run: nothing is sent/,
  );
  const about = { mode: 'simulated', requests: 3, rotation: 'round-robin', upstream: null } as const;
  const probe = { kind: 'running', pid: 1, version: VERSION, uptimeSeconds: 5, keys, about } as const;
  const simulated = text(report({ probe, config: configOf({ dryRun: false, isSimulated: true }) }));
  expect(simulated).toMatch(/^Proxy {2}running at \S+, up 5 s, simulated, round-robin\n {7}Simulated: made-up accounts answer/);
  expect(text({ ...read, foreign: 'those of ~/kmi/.env' })).toContain('\n       Its settings are those of ~/kmi/.env.\n');
});

test('a line a key says what is left of each window, and when little is left, until when', () => {
  expect(text(read).split('\n').slice(2)).toEqual([
    '2 keys: 2 can serve',
    'KEY   STATUS  LEFT                TODAY',
    'work  ready   5h  99 %  7d  96 %     30',
    'home  warn    5h   3 %  7d  50 %      0  5h resets in 2 h (14:00)',
  ]);
  const narrow = renderStatus(read, { columns: 60, style: PLAIN });
  expect(narrow.slice(-2)).toEqual(['home  warn    5h   3 %  7d  50 %      0', '    5h resets in 2 h (14:00)']);
});

test('what nobody knows is a dash, and the age of a reading is said when it is old', () => {
  const old = (minutes: number, share: number | null) => ({
    health: { ...healthOf([window('5h limit', share), window('7d limit', 0.9)]), fetchedAt: NOW - minutes * 60_000 },
  });
  const candidates = [
    candidate('ada'),
    candidate('ben', old(15, 0.5)),
    candidate('cleo', old(16, null)),
    candidate('dan', old(200, 1)),
  ];
  expect(
    text({ ...read, candidates })
      .replace(/ +$/gm, '')
      .split('\n')
      .slice(3),
  ).toEqual([
    'KEY   STATUS  LEFT                READ        TODAY',
    'ada   ready   -                                   0',
    'ben   ready   5h  50 %  7d  90 %                  0',
    'cleo  ready   5h     -  7d  90 %  16 min ago      0',
    'dan   ready   5h 100 %  7d  90 %  3 h ago         0',
  ]);
});

test('where nothing was read yet, the command that asks is named', () => {
  const unread = { ...read, candidates: [candidate('ada'), candidate('ben')] };
  expect(text(unread)).toMatch(/\nNo quota was read yet; `kmi health` asks for it\.$/);
  expect(text(read)).not.toContain('No quota was read');
  expect(text(report())).not.toContain('No quota was read');
});

test('a narrow terminal has the two tightest windows', () => {
  const windows = [window('5h limit', 0.9), window('7d limit', 0.2), window('month limit', 0.4), window('fast model', 0.5)];
  const candidates = [candidate('ada', { health: healthOf(windows) })];
  const lines = (columns: number) => renderStatus({ ...read, candidates }, { columns, style: PLAIN }).join('\n');
  expect(lines(60)).toContain('7d  20 %  month  40 %');
  expect(lines(80)).toContain('7d  20 %  month  40 %  fast...  50 %');
});

test('`>` marks the active key in manual mode only, and is explained', () => {
  const manual = { ...read, state: report().state, activeIndex: 1, next: 'home' };
  expect(text(manual)).toMatch(/^> home /m);
  expect(text(manual)).toContain('> the active key. `kmi rotate` chooses another.');
  expect(text({ ...manual, next: 'work' })).toContain('> the active key; work serves in its place.');
  expect(text(read)).not.toMatch(/^>/m);
});

test('of 40 keys only the active one and those out of service are listed', () => {
  const many = Array.from({ length: 40 }, (_, n) => candidate(`key-${n}`, n === 30 ? { state: { errors401: 1 } } : {}));
  const shown = text(report({ candidates: many, activeIndex: 7 }));
  expect(shown).toContain('40 keys: 39 can serve, 1 blocked');
  expect(shown.match(/key-\d+ /g)).toEqual(['key-7 ', 'key-30 ']);
  expect(shown).toContain('38 further keys not listed; `kmi status --all` shows them all.');
  expect(allOf(report({ candidates: many })).match(/^ .key-\d+ /gm)).toHaveLength(39);
});

test('every way in which something is wrong has an alert that says what to do', () => {
  const closed = [candidate('ada', { state: { block: { until: null, reason: 'banned' } } })];
  expect(text(report({ candidates: closed }))).toMatch(
    /The only Kimi key belongs to a closed account\.[\s\S]*Account closed by Kimi: ada/,
  );
  expect(text(report({ candidates: closed }))).toContain('--clear-blocklist');
  expect(text(report({ candidates: closed }))).not.toContain('recheck succeeds');
  expect(text(report({ candidates: [] }))).toContain('There are no keys in /home/kim/_auths.');
  expect(text(report({ candidates: [], folderExists: false }))).toMatch(/the folder \/home\/kim\/_auths does not\s+exist/);
  expect(text(report({ probe: { kind: 'stranger', answer: 'HTTP 200' } }))).toMatch(
    /Another program answers at .*\(HTTP\s+200\)/,
  );
  expect(text(report({ probe: { kind: 'unreachable', reason: 'no answer in time' } }))).toContain('no answer in time');
  const old = { kind: 'running', pid: 1, version: '0.0.1', uptimeSeconds: 5, keys } as const;
  expect(text(report({ probe: old }))).toContain('The running proxy is version 0.0.1');
  const state = {
    activeKey: 'gone',
    rotationIndex: 0,
    autoRotate: true,
    strategy: null,
    lastHealthRefresh: null,
    sessionMoves: NO_MOVES,
  };
  expect(text(report({ state }))).toMatch(
    /active key gone is not here any more; ada[\s\S]*Auto-rotation is on, but KMI_AUTO_ROTATE_ALLOWED does not/,
  );
  expect(text(report())).not.toMatch(/^!/m);
});

test('when all keys are on cooldown, the alert names the first to come back', () => {
  const onCooldown = [5, 3].map((minutes) =>
    candidate(`k${minutes}`, { state: { cooldown: { until: NOW + minutes * 60_000, reason: 'rate' } } }),
  );
  expect(text(report({ candidates: onCooldown }))).toContain('The first is back at 12:03 (in 3 min).');
});

test('many skipped files are counted, not all named', () => {
  const skipped = Array.from(
    { length: 8 },
    (_, n) => ({ file: `/home/kim/_auths/f${n}.env`, reason: 'no_key', detail: 'No key.' }) as const,
  );
  expect(text(report({ skipped }))).toMatch(/8 files give no key:[\s\S]*f4\.env: No key\.\s+and 3 more/);
});

const twoKeys = [candidate('work', { state: account('a1b2c3d4') }), candidate('spare', { state: account('a1b2c3d4') })];

test('keys are counted with their accounts, and a second key of an account is an alert that names both', () => {
  const shown = text(report({ candidates: [...twoKeys, candidate('mine', { state: account('b2c3d4e5') })] }));
  expect(shown).toContain('3 keys, 2 accounts: 3 can serve');
  expect(shown.replace(/\s+/g, ' ')).toContain(
    "! Keys of one account: work, spare. A second key of an account adds nothing: quota, limits and cache are the account's. One of them is enough; disable the others with `kmi keys disable`.",
  );
  const switchedOff = candidate('spare', { state: account('a1b2c3d4'), disabled: true });
  const mended = text(report({ candidates: [twoKeys[0] as (typeof twoKeys)[0], switchedOff] }));
  expect(mended).toContain('2 keys, 1 account: 1 can serve, 1 disabled');
  expect(mended).not.toMatch(/^!/m);
});

test('accounts that are not known yet are mentioned only beside known ones', () => {
  expect(text(report())).toContain('2 keys: 2 can serve');
  expect(text(report({ candidates: [...twoKeys, candidate('new')] }))).not.toContain('not known yet');
  const shown = allOf(report({ candidates: [...twoKeys, candidate('new')] }));
  expect(shown).toMatch(/3 keys, at most 2 accounts: 3 can serve\nThe account of 1 key is not known yet/);
});

test('several accounts with several keys are one alert', () => {
  const many = Array.from({ length: 10 }, (_, n) => candidate(`key-${n}`, { state: account(`${n % 5}0000000`) }));
  const shown = text(report({ candidates: many }));
  expect(shown).toMatch(/5 accounts have several keys\.[\s\S]*key-0, key-5\n +key-1, key-6\n +key-2, key-7\n +and 2 more/);
  expect(shown).not.toContain('Keys of one account');
});

test.each([
  ['round-robin', /mode round-robin, next: ada\n active key/],
  [
    'sticky',
    /mode sticky\n sessions stay with their account; new ones are spread evenly\n no session such requests take turns, account by account; next: ada\n/,
  ],
  ['weighted', /mode weighted, next: ada\n weights ada 100, [\s\S]*\n active key/],
  ['quota', /mode quota\n sessions stay with their account; new ones go where quota expires first\n/],
] as const)('with %s it says what becomes of the next request', (rotateStrategy, words) => {
  const config = configOf({ autoRotateAllowed: true, rotateStrategy });
  const state = {
    activeKey: null,
    rotationIndex: 1,
    autoRotate: true,
    strategy: null,
    lastHealthRefresh: null,
    sessionMoves: NO_MOVES,
  };
  expect(allOf(report({ config, state })).replace(/ +/g, ' ')).toMatch(words);
});

test('a strategy that is not the setting comes with where it is from', () => {
  const shown = (strategy: 'sticky' | 'round-robin', rotateStrategy: 'sticky' | 'round-robin') =>
    allOf(
      report({
        config: configOf({ autoRotateAllowed: true, rotateStrategy }),
        state: { activeKey: null, rotationIndex: 0, autoRotate: true, strategy, lastHealthRefresh: null, sessionMoves: NO_MOVES },
      }),
    ).replace(/\s+/g, ' ');
  expect(shown('sticky', 'round-robin')).toContain(
    'mode sticky (chosen with `kmi rotate auto`; KMI_ROTATE_STRATEGY says round-robin) sessions',
  );
  expect(shown('round-robin', 'sticky')).toContain('KMI_ROTATE_STRATEGY says sticky), next: ada');
  expect(shown('sticky', 'sticky')).not.toContain('KMI_ROTATE_STRATEGY');
});

test('of disabled keys the alert says that they are, and how to enable one', () => {
  const disabled = ['a', 'b', 'c', 'd'].map((label) => candidate(label, { disabled: true }));
  expect(text(report({ candidates: disabled }))).toMatch(/All 4 Kimi keys are disabled\.\s+Enable one with `kmi keys enable`\./);
});

test('logins that have expired are told by whose they are, each with what renews it', () => {
  const of = (...candidates: ReturnType<typeof candidate>[]) =>
    text(report({ candidates: [candidate('work'), ...candidates] }))
      .split('\n\n')[0]
      ?.replace(/\s*\n\s*/g, ' ');
  expect(of(candidate('ada', { login: {} }))).toBe('! Login expired: ada `kmi login --label ada` logs in again.');
  expect(of(candidate('ada', { login: {} }), candidate('ben', { login: {} }))).toBe(
    '! Login expired: ada, ben `kmi login --label <label>` logs in again, once for each.',
  );
  expect(of(candidate('cleo', { login: { kind: 'kimi-code' } }))).toBe(
    '! Login of Kimi Code expired: cleo Log in again in Kimi Code: `kimi login`.',
  );
  const past = { kind: 'kimi-cli', isOver: false, expiresAt: NOW - 1 } as const;
  expect(of(candidate('dan', { login: past }))).toMatch(/^! Login of kimi-cli expired: dan kmi cannot renew a login of kimi-cli/);
  const fine = { isOver: false, expiresAt: NOW - HOUR };
  expect(of(candidate('eve', { login: fine }), candidate('off', { login: {}, disabled: true }))).not.toContain('expired');
  const refused = candidate('fay', { login: fine, state: { errors401: 1 } });
  expect(of(refused)).toMatch(/Account refused \(401\): fay See to it on kimi\.com/);
  const gil = candidate('gil', { login: fine, state: { errors401: 1 } });
  const abroad = { ...gil, key: { ...gil.key, baseUrl: 'https://api.kimi.ai/coding/v1' } };
  expect(of(abroad)).toMatch(/Account refused \(401\): gil See to it on kimi\.ai/);
  expect(of(refused, abroad)).toMatch(/: fay See to it on kimi\.com; .*: gil See to it on kimi\.ai; /);
});
