import { createStyle, type Style } from '../../src/cli/ui/style.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/settings.ts';
import type { Candidate } from '../../src/core/choosing/eligibility.ts';
import type { KeyLogin } from '../../src/core/keys/key.ts';
import { type KeyState, newKeyState } from '../../src/core/keys/key-state.ts';
import type { KeyHealth } from '../../src/core/quota/key-health.ts';
import type { QuotaWindow, Usage } from '../../src/core/quota/quota.ts';

/** 2026-11-20 12:00:00 UTC. */
export const NOW = Date.UTC(2026, 10, 20, 12);
export const HOUR = 3_600_000;
const FOLDER = '/home/kim/_auths';

export function configOf(settings: Partial<Config> = {}): Config {
  const environment = { KMI_AUTHS_DIR: FOLDER, KMI_STATE_DIR: '/home/kim/.kmi', KMI_TIMEZONE: 'UTC' };
  return { ...loadConfig(environment, '/nonexistent').config, ...settings };
}

const A_LOGIN = { kind: 'own', expiresAt: null, lifeMs: null, isOver: true } as const;

export function candidate(
  label: string,
  {
    state = {},
    health = null,
    email = null,
    disabled = false,
    login,
  }: {
    state?: Partial<KeyState>;
    health?: KeyHealth | null;
    email?: string | null;
    disabled?: boolean;
    /** Makes it a login, which is over unless `isOver` says otherwise. */
    login?: Partial<KeyLogin>;
  } = {},
): Candidate {
  const key = {
    label,
    value: `sk-secret-of-${label}`,
    hash: '0123456789ab',
    baseUrl: 'https://api.kimi.com/coding/v1',
    priority: 0,
    weight: 100,
    disabled,
    email,
    source: `${FOLDER}/${label}.env`,
    ...(login === undefined ? {} : { login: { ...A_LOGIN, id: label, ...login } }),
  };
  return { key, state: { ...newKeyState(), ...state }, health };
}

export function window(label: string, remainingShare: number | null, resetsAt: number | null = null): QuotaWindow {
  return { label, remainingShare, used: null, limit: null, resetsAt, resetHint: null, durationMs: null };
}

export function healthOf(windows: readonly QuotaWindow[], more: Partial<Usage> = {}): KeyHealth {
  const shares = windows.flatMap(({ remainingShare }) => (remainingShare === null ? [] : [remainingShare]));
  const remainingShare = shares.length === 0 ? null : Math.min(...shares);
  const usage: Usage = { windows, remainingShare, walletCents: null, parallelLimit: null, plan: null, ...more };
  return { usage, error: null, fetchedAt: NOW };
}

export function account(id: string): Pick<KeyState, 'account'> {
  return { account: { id, at: NOW } };
}

/** A pool in which every state occurs, with labels short, long and wide; ada and zoe are of one account. `asked`: with health, as after `/usages`. */
export function mixedPool({ asked }: { asked: boolean }): Candidate[] {
  const at = (health: KeyHealth) => (asked ? health : null);
  return [
    candidate('ada', {
      email: 'ada@example.com',
      state: { requests: 128, lastUsed: NOW - 185_000, ...account('a1b2c3d4e5f6') },
      health: at(
        healthOf([window('5h limit', 0.62, NOW + 2 * HOUR + 600_000), window('7d limit', 0.5, NOW + 76 * HOUR)], {
          plan: 'LEVEL_INTERMEDIATE',
        }),
      ),
    }),
    candidate('ben', {
      state: {
        requests: 37,
        errors429: 2,
        lastUsed: NOW - 2 * HOUR,
        cooldown: { until: NOW + 35 * 60_000, reason: 'quota' },
        ...account('b2c3d4e5f6a1'),
      },
      health: at(healthOf([window('5h limit', 0, NOW + 35 * 60_000), window('7d limit', 0.7, NOW + 76 * HOUR)])),
    }),
    candidate('cleo', {
      email: 'cleo@example.com',
      state: { requests: 9, errors401: 1 },
      health: at({ usage: null, error: 'HTTP 401: The API key appears to be invalid or may have expired.', fetchedAt: NOW }),
    }),
    candidate('команда-с-очень-длинным-названием-для-проверки-ширины', {
      state: { block: { until: NOW + 31 * 60_000, reason: 'payment_required' } },
      health: at(healthOf([window('7d limit', 0.05, NOW + 200 * 24 * HOUR)])),
    }),
    candidate('日本語のキー', {
      email: 'team.with.a.long.address@department.example.com',
      health: at(healthOf([window('5h limit', 0.004), window('month limit', null)], { walletCents: 1234 })),
    }),
    candidate('team😀', { disabled: true, health: at(healthOf([window('5h limit', 1)])) }),
    candidate('zoe', { state: account('a1b2c3d4e5f6'), health: at(healthOf([window('5h limit', 0, NOW + HOUR)])) }),
  ];
}

export const PLAIN = createStyle({ color: false, plain: true });
export const UNCOLORED = createStyle({ color: false, plain: false });
export const COLORED = createStyle({ color: true, plain: false });

/** Name, columns and style of each snapshot. */
export const LOOKS: readonly [string, number, Style][] = [
  ['60 columns, plain', 60, PLAIN],
  ['80 columns, plain', 80, PLAIN],
  ['120 columns, plain', 120, PLAIN],
  ['60 columns, coloured', 60, COLORED],
  ['80 columns, coloured', 80, COLORED],
  ['120 columns, coloured', 120, COLORED],
];

/** Escape sequences made visible. */
export function visible(lines: readonly string[]): string {
  return lines.join('\n').replaceAll('\u001b', '␛');
}
