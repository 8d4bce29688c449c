import { randomBytes, randomUUID } from 'node:crypto';
import type { SimulatedAccount } from './account.ts';

/** One device login and all tokens that came of it. */
type Family = { readonly account: SimulatedAccount; isRevoked: boolean };
/** Times in epoch ms. */
type Access = { readonly family: Family; readonly lifetimeMs: number; endsAt: number };
/** `access` is the token that was issued beside it. */
type Refresh = { readonly family: Family; readonly access: Access; isUsed: boolean };

export type Pair = { readonly accessToken: string; readonly refreshToken: string };

/** A refresh that succeeded. `lifeLeftShare`: of the access token's life, 0 to 1; 0 once it had ended. */
export type Rotation = Pair & { readonly account: SimulatedAccount; readonly lifeLeftShare: number };

export type RotationOptions = {
  readonly lifetimeS: number;
  readonly keepOldAccess: boolean;
  readonly revokesFamilyOnReuse: boolean;
};

/** All tokens ever issued: access tokens with an end, refresh tokens that are taken once. Times in epoch ms. */
export class Tokens {
  readonly #access = new Map<string, Access>();
  readonly #refresh = new Map<string, Refresh>();
  readonly #families = new Set<Family>();

  /** The first pair of a login. */
  begin(account: SimulatedAccount, now: number, lifetimeS: number): Pair {
    const family = { account, isRevoked: false };
    this.#families.add(family);
    return this.#issue(family, now, lifetimeS);
  }

  /** Takes a refresh token for a new pair. `reused`: it has been taken before; `invalid`: unknown or revoked. */
  rotate(refreshToken: string, now: number, options: RotationOptions): Rotation | 'reused' | 'invalid' {
    const refresh = this.#refresh.get(refreshToken);
    if (refresh === undefined) return 'invalid';
    const { access, family } = refresh;
    if (refresh.isUsed) {
      if (options.revokesFamilyOnReuse) family.isRevoked = true;
      return 'reused';
    }
    if (family.isRevoked) return 'invalid';
    refresh.isUsed = true;
    const lifeLeftShare = Math.max(0, access.endsAt - now) / access.lifetimeMs;
    if (!options.keepOldAccess) end(access, now);
    return { ...this.#issue(family, now, options.lifetimeS), account: family.account, lifeLeftShare };
  }

  /** Every token ever issued, access and refresh tokens. */
  get issued(): readonly string[] {
    return [...this.#access.keys(), ...this.#refresh.keys()];
  }

  /** Whose access token it is; null for one that has ended, was revoked or never issued. */
  accountOf(accessToken: string, now: number): SimulatedAccount | null {
    const access = this.#access.get(accessToken);
    return access !== undefined && now < access.endsAt && !access.family.isRevoked ? access.family.account : null;
  }

  /** The refresh token would be taken. */
  isLive(refreshToken: string): boolean {
    const refresh = this.#refresh.get(refreshToken);
    return refresh !== undefined && !refresh.isUsed && !refresh.family.isRevoked;
  }

  /** Ends all logins of the account. */
  revoke(account: SimulatedAccount): void {
    for (const family of this.#families) if (family.account === account) family.isRevoked = true;
  }

  /** Ends the access tokens of the account; its refresh tokens stay. */
  endAccess(account: SimulatedAccount, now: number): void {
    for (const access of this.#access.values()) if (access.family.account === account) end(access, now);
  }

  #issue(family: Family, now: number, lifetimeS: number): Pair {
    const lifetimeMs = lifetimeS * 1000;
    const access: Access = { family, lifetimeMs, endsAt: now + lifetimeMs };
    const pair = {
      accessToken: createToken('access', family.account, now, lifetimeS),
      refreshToken: createToken('refresh', family.account, now, REFRESH_LIFETIME_S),
    };
    this.#access.set(pair.accessToken, access);
    this.#refresh.set(pair.refreshToken, { family, access, isUsed: false });
    return pair;
  }
}

/** As the token says; nothing ends it here but its use and a revocation. */
const REFRESH_LIFETIME_S = 30 * 24 * 3600;

const TOKEN_HEADER = Buffer.from(JSON.stringify({ alg: 'HS512', typ: 'JWT' })).toString('base64url');

function end(access: Access, now: number): void {
  access.endsAt = Math.min(access.endsAt, now);
}

/** Looks like a JSON web token; the signature is random. */
function createToken(type: 'access' | 'refresh', account: SimulatedAccount, now: number, lifetimeS: number): string {
  const iat = Math.floor(now / 1000);
  const claims = {
    iss: 'kimi-auth',
    sub: account.profile.userId,
    type,
    jti: randomUUID(),
    iat,
    exp: Math.floor(iat + lifetimeS),
  };
  return `${TOKEN_HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${randomBytes(64).toString('base64url')}`;
}
