import { randomBytes, randomInt } from 'node:crypto';
import type { SimulatedAccount } from './account.ts';
import type { OAuthError } from './oauth-errors.ts';

/** A timer may fire a moment early; whoever waits this much less than the interval has waited. */
const TOLERANCE_MS = 100;
/** What a `slow_down` adds to the interval (docs/kimi-api.md#oauth-requests). */
const SLOWER_MS = 5000;
/** No vowels, so that no code is a word (RFC 8628, 6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';

type Device = {
  readonly userCode: string;
  state: 'pending' | 'denied' | 'used' | SimulatedAccount;
  endsAt: number;
  intervalMs: number;
  polledAt: number | null;
  /** The next poll is told to slow down, however long it has waited. */
  mustSlowDown: boolean;
};

/** The devices that ask for a login, from the first code to the only grant. Times in epoch ms. */
export class Devices {
  readonly #byDeviceCode = new Map<string, Device>();

  begin(now: number, lifetimeS: number, intervalS: number): { readonly userCode: string; readonly deviceCode: string } {
    const userCode = `${letters(4)}-${letters(4)}`;
    const deviceCode = randomBytes(32).toString('base64url');
    this.#byDeviceCode.set(deviceCode, {
      userCode,
      state: 'pending',
      endsAt: now + lifetimeS * 1000,
      intervalMs: intervalS * 1000,
      polledAt: null,
      mustSlowDown: false,
    });
    return { userCode, deviceCode };
  }

  /** Codes that wait for a person, oldest first. */
  pending(now: number): string[] {
    return [...this.#byDeviceCode.values()].filter((device) => isPending(device, now)).map(({ userCode }) => userCode);
  }

  /** What the person does. Throws when no device waits with this code. */
  approve(userCode: string, account: SimulatedAccount, now: number): void {
    this.#waiting(userCode, now).state = account;
  }

  deny(userCode: string, now: number): void {
    this.#waiting(userCode, now).state = 'denied';
  }

  expire(userCode: string, now: number): void {
    this.#waiting(userCode, now).endsAt = now;
  }

  slowDown(userCode: string, now: number): void {
    this.#waiting(userCode, now).mustSlowDown = true;
  }

  /** The account that was approved, once; else the error to answer with. */
  poll(deviceCode: string, now: number): SimulatedAccount | OAuthError {
    const device = this.#byDeviceCode.get(deviceCode);
    if (device === undefined || device.state === 'used') return 'invalid_grant';
    if (now >= device.endsAt) return 'expired_token';
    if (device.state === 'denied') return 'access_denied';
    if (device.state !== 'pending') {
      const account = device.state;
      device.state = 'used';
      return account;
    }
    const isTooFast = device.polledAt !== null && now - device.polledAt < device.intervalMs - TOLERANCE_MS;
    device.polledAt = now;
    if (!isTooFast && !device.mustSlowDown) return 'authorization_pending';
    device.mustSlowDown = false;
    device.intervalMs += SLOWER_MS;
    return 'slow_down';
  }

  #waiting(userCode: string, now: number): Device {
    for (const device of this.#byDeviceCode.values()) {
      if (device.userCode === userCode && isPending(device, now)) return device;
    }
    throw new Error(`no device waits with the code ${userCode}`);
  }
}

function isPending(device: Device, now: number): boolean {
  return device.state === 'pending' && now < device.endsAt;
}

function letters(count: number): string {
  return Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}
