import { describe, expect, it, test } from 'vitest';
import { codeLines, waitingText } from '../../src/cli/keys/login/screen.ts';
import type { TakenIn } from '../../src/cli/keys/login/take-in.ts';
import { parseRegion, placeOfLogin } from '../../src/cli/keys/login/where.ts';
import { takenInLines } from '../../src/cli/keys/login/words.ts';
import type { TestResult } from '../../src/cli/keys/test/words.ts';
import { wrapProse } from '../../src/cli/ui/prose.ts';
import type { KeyLogin, LoginKind } from '../../src/core/keys/key.ts';
import type { Login } from '../../src/logins/login.ts';
import { aCandidate, NOW } from '../core/candidates.ts';
import { configOf } from './fixture.ts';
import { VARIANTS } from './view-variants.ts';

const CODE = {
  userCode: 'BCDF-GHJK',
  verificationUri: 'https://www.kimi.com/code/authorize_device',
  verificationUriComplete: 'https://www.kimi.com/code/authorize_device?user_code=BCDF-GHJK',
  expiresAt: NOW + 15 * 60_000,
};
const WORKS: TestResult = { result: 'works', text: '5h limit 62 % left, 7d limit 50 % left, LEVEL_INTERMEDIATE' };

function taken(kind: KeyLogin['kind'], before: LoginKind | null, more: Partial<TakenIn> & { disabled?: boolean } = {}): TakenIn {
  const { key } = aCandidate('ada', {
    login: { kind, isOver: false, expiresAt: NOW + 12 * 60_000 },
    disabled: more.disabled ?? false,
  });
  const earlier = before === null ? null : ({ kind: before } as Login);
  return { key: { ...key, email: 'ada@example.com' }, before: earlier, sharing: [], ...more };
}

describe.each(VARIANTS)('at %s', (_, { width, style }) => {
  it('the code of a login', () => {
    // The address is not broken: the terminal wraps it, and it can still be copied whole.
    expect(codeLines(CODE, style).join('\n')).toMatchSnapshot();
    expect(waitingText(CODE, NOW + 7_000).length).toBeLessThan(60);
  });

  it.each<[string, TakenIn, TestResult]>([
    ['a new login', taken('own', null), WORKS],
    ['the same account again', taken('own', 'own'), WORKS],
    ["a login of its own in the place of Kimi Code's", taken('own', 'kimi-code', { disabled: true }), WORKS],
    ['the login of Kimi Code', taken('kimi-code', null, { sharing: ['work'] }), WORKS],
    ['the login of Kimi Code in the place of one of its own', taken('kimi-code', 'own'), WORKS],
    ['the login of kimi-cli', taken('kimi-cli', null), { result: 'unclear', text: 'no answer: timeout after 10 s' }],
  ])('what is said of %s', (_, login, result) => {
    const { result: first, notes } = takenInLines(login, result, { style, errStyle: style, now: NOW, zone: 'UTC' });
    expect([first, ...notes].flatMap((line) => wrapProse(line, width)).join('\n')).toMatchSnapshot();
  });
});

test('the countdown runs by the second and does not go below nothing', () => {
  const at = (ms: number) => waitingText(CODE, CODE.expiresAt - ms);
  expect(at(15 * 60_000)).toBe('Waiting for you to confirm: 15 min left. Ctrl+C stops.');
  expect(at(893_500)).toBe('Waiting for you to confirm: 14 min 54 s left. Ctrl+C stops.');
  expect(at(59_000)).toBe('Waiting for you to confirm: 59 s left. Ctrl+C stops.');
  expect(at(-5)).toBe('Waiting for you to confirm: 0 s left. Ctrl+C stops.');
});

describe('where a login is made and used', () => {
  const CN = { region: 'mainland-cn', oauthHost: 'https://auth.kimi.com', baseUrl: 'https://api.kimi.com/coding/v1' };
  const GLOBAL = { region: 'global', oauthHost: 'https://auth.kimi.ai', baseUrl: 'https://api.kimi.ai/coding/v1' };
  const local = 'http://127.0.0.1:9/coding/v1';
  const settingsOf = (settings: Parameters<typeof configOf>[0]) => ({ ...configOf(settings), allowlists: [] });

  it.each([
    ['nothing', {}, null, { ...CN, isGuess: true }],
    ['--region mainland-cn', {}, 'mainland-cn', { ...CN, isGuess: false }],
    ['--region global', {}, 'global', { ...GLOBAL, isGuess: false }],
    ['the global base URL', { upstreamBaseUrl: GLOBAL.baseUrl }, null, { ...GLOBAL, isGuess: false }],
    [
      'the global base URL and --region mainland-cn',
      { upstreamBaseUrl: GLOBAL.baseUrl },
      'mainland-cn',
      { ...CN, isGuess: false },
    ],
    ['the Open Platform', { upstreamBaseUrl: 'https://api.moonshot.ai/v1' }, null, { ...CN, isGuess: true }],
    ['a gateway', { upstreamBaseUrl: local }, 'global', { ...GLOBAL, baseUrl: local, isGuess: false }],
    [
      'a simulator',
      { upstreamBaseUrl: local, oauthHost: 'http://127.0.0.1:9' },
      null,
      { region: 'mainland-cn', baseUrl: local, oauthHost: 'http://127.0.0.1:9', isGuess: false },
    ],
  ] as const)('with %s', (_, settings, region, place) => {
    expect(placeOfLogin(settingsOf(settings), region)).toEqual(place);
  });

  it.each([
    ['of another region', {}, 'global', 'The API of this login is api.kimi.ai,'],
    ['of a gateway', { upstreamBaseUrl: 'https://gateway.example/v1' }, null, 'The API of this login is gateway.example,'],
    [
      'where the login would be made',
      { oauthHost: 'https://auth.example' },
      null,
      'The authorisation server of this login is auth.example,',
    ],
    [
      "of the other region's server",
      { oauthHost: GLOBAL.oauthHost },
      null,
      'The authorisation server of this login is auth.kimi.ai,',
    ],
  ] as const)('a host that tokens may not be sent to is refused, %s', (_, settings, region, words) => {
    for (const lists of [
      [['api.kimi.com'], []],
      [[], ['api.kimi.com']],
    ] as const) {
      expect(() => placeOfLogin({ ...settingsOf(settings), allowlists: lists }, region)).toThrow(
        `${words} which KMI_UPSTREAM_ALLOWLIST does not list.`,
      );
    }
  });

  it("a region's own server goes with its API, another one must be listed", () => {
    const allowlists = [['api.kimi.com', 'auth.example']];
    expect(placeOfLogin({ ...settingsOf({}), allowlists }, null)).toMatchObject(CN);
    expect(placeOfLogin({ ...settingsOf({ oauthHost: 'https://auth.example' }), allowlists }, null)).toMatchObject({
      oauthHost: 'https://auth.example',
    });
  });

  it('a region that is none is refused', () => {
    expect(parseRegion(undefined)).toBeNull();
    expect(parseRegion(' Global ')).toBe('global');
    expect(() => parseRegion('us')).toThrow('--region us: takes mainland-cn (kimi.com) or global (kimi.ai).');
  });
});
