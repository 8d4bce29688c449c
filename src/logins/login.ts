import { createHash } from 'node:crypto';
import { isLoopbackHost } from '../config/loopback.ts';
import type { KimiClient } from '../core/clients/kimi-model.ts';
import { isTokenOver, type LoginKind, type Region } from '../core/keys/key.ts';

/** Frozen; a renewal makes a new one. */
export type TokenPair = {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** When the access token ends, unix s. Null: it is never due (docs/kimi-api.md#oauth-refresh). */
  readonly expiresAt: number | null;
  /** How long it lived when it was new, s. Null when the file does not say. */
  readonly expiresIn: number | null;
  readonly scope: string;
  readonly tokenType: string;
};

/** An account that logged in, as its file in the folder `logins` of the state says, less its tokens. Frozen. */
export type Login = {
  /** 8 hex digits; stays when the same account logs in again. */
  readonly id: string;
  readonly label: string;
  readonly kind: LoginKind;
  readonly region: Region;
  /** Where the tokens were granted and are renewed; no slash at its end. */
  readonly oauthHost: string;
  /** `https://host/path` of the API, no slash at its end. */
  readonly baseUrl: string;
  /** The account's hashed id; null when it is not known. */
  readonly account: string | null;
  readonly email: string | null;
  readonly priority: number;
  readonly weight: number;
  readonly disabled: boolean;
  /** Unix s. */
  readonly createdAt: number;
  /** `fingerprintOf` the refresh token that was refused for good. Another one in its place heals the login. */
  readonly refused: string | null;
  /** Absolute path of the client's credential file; null for an own login. */
  readonly file: string | null;
};

/** A login that a Kimi client has on this machine, whether or not kmi uses it. */
export type ClientLogin = Pick<Login, 'region' | 'oauthHost' | 'baseUrl'> & {
  readonly kind: KimiClient;
  /** Absolute path of the client's credential file. */
  readonly file: string;
};

/** docs/kimi-api.md#endpoints */
export const REGIONS: Readonly<Record<Region, { readonly oauthHost: string; readonly baseUrl: string }>> = {
  'mainland-cn': { oauthHost: 'https://auth.kimi.com', baseUrl: 'https://api.kimi.com/coding/v1' },
  global: { oauthHost: 'https://auth.kimi.ai', baseUrl: 'https://api.kimi.ai/coding/v1' },
};

/** `Key.hash` of a login: of its id, so that what is known of the key outlives renewals. */
export function hashLogin(id: string): string {
  return hashed(`login:${id}`);
}

/** Tells refresh tokens apart where they must not be written. */
export function fingerprintOf(refreshToken: string): string {
  return hashed(refreshToken);
}

/** The first 12 hex digits of the SHA-256. */
function hashed(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Has the login no tokens, or tokens that were refused for good? A person must log in again. */
export function isOver({ refused }: Pick<Login, 'refused'>, tokens: TokenPair | null): boolean {
  return tokens === null || tokens.accessToken === '' || refused === fingerprintOf(tokens.refreshToken);
}

/** When the access token ends; epoch ms. Null: its file names no end. */
export function endOf({ expiresAt }: Pick<TokenPair, 'expiresAt'>): number | null {
  return inMs(expiresAt);
}

/** Null stays null. */
export function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}

/** Whether the access token's time is up at `now` (epoch ms). */
export function isPairOver(tokens: Pick<TokenPair, 'expiresAt'>, now: number): boolean {
  return isTokenOver({ expiresAt: endOf(tokens) }, now);
}

/** Whether kmi may renew the tokens: never those of kimi-cli, whose lock it cannot take (docs/kimi-api.md#kimi-cli). */
export function isRenewable({ kind }: Pick<Login, 'kind'>, tokens: TokenPair | null): boolean {
  return kind !== 'kimi-cli' && tokens !== null && tokens.refreshToken !== '';
}

/** The address of an authorisation server without slashes at its end; null when no token may be sent there. */
export function parseOauthHost(text: string): string | null {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) return null;
  return (url.origin + url.pathname).replace(/\/+$/, '');
}
