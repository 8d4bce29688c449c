/** One upstream credential, as read from an auth file. Frozen; a changed file makes a new Key. */
export type Key = {
  /** Unique in the registry; the name people and the state file know the key by. */
  readonly label: string;
  /** The secret. Leaves the process only in a request to `baseUrl`. */
  readonly value: string;
  /** First 12 hex digits of the SHA-256 of `value`: tells keys apart where the value must not appear. */
  readonly hash: string;
  /** `https://host/path`, no trailing slash. */
  readonly baseUrl: string;
  /** Higher comes first in the registry. */
  readonly priority: number;
  /** 1 to 1000: how many requests the account gets beside others, where the strategy goes by weight. */
  readonly weight: number;
  readonly disabled: boolean;
  /** For display only. */
  readonly email: string | null;
  /** Path of the auth file, or of the login's file. */
  readonly source: string;
  /** Absent: an API key. Else `value` is the access token of a login, and `hash` is of the login's id, so that it outlives renewals. */
  readonly login?: KeyLogin;
};

/** Whose file holds the tokens of a login: kmi's own, or that of a Kimi client, which is used in place. */
export const LOGIN_KINDS = ['own', 'kimi-code', 'kimi-cli'] as const;
export type LoginKind = (typeof LOGIN_KINDS)[number];

/** Kimi's two realms, kimi.com and kimi.ai, which know nothing of each other's accounts (docs/kimi-api.md#endpoints). */
export const REGION_NAMES = ['mainland-cn', 'global'] as const;
export type Region = (typeof REGION_NAMES)[number];

/** The login whose access token a key is, as its file says. */
export type KeyLogin = {
  readonly id: string;
  /** kimi-cli's is used while it is valid and never renewed (docs/kimi-api.md#kimi-cli). */
  readonly kind: LoginKind;
  /** When the access token ends; epoch ms. Null: the file names no end, and it is used as it is. */
  readonly expiresAt: number | null;
  /** How long the access token lives in all; ms. Null: not known. */
  readonly lifeMs: number | null;
  /** It was refused for good, or its client logged out: a person must log in again. */
  readonly isOver: boolean;
};

/** Whether the login can serve no more until a person logs in. An API key always can. */
export function isLoginOver({ login }: Pick<Key, 'login'>, now: number): boolean {
  if (login === undefined) return false;
  return login.isOver || (!isRenewable(login) && isTokenOver(login, now));
}

/** Whether kmi may get another access token for it. */
export function isRenewable({ kind, isOver }: KeyLogin): boolean {
  return kind !== 'kimi-cli' && !isOver;
}

/** Whether the access token's time is up, by this machine's clock. */
export function isTokenOver({ expiresAt }: Pick<KeyLogin, 'expiresAt'>, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** The weight of a key whose file names none. */
export const DEFAULT_WEIGHT = 100;

/** A whole number from 1 to 1000; null for anything else. */
export function parseWeight(text: string): number | null {
  const weight = /^\+?\d{1,15}$/.test(text) ? Number(text) : 0;
  return weight >= 1 && weight <= 1000 ? weight : null;
}

/** A whole number; null for anything else. */
export function parsePriority(text: string): number | null {
  const number = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : null;
  return number === 0 ? 0 : number;
}

/** First 4 and last 4 characters around `***`; only stars when 8 characters or fewer. */
export function maskKey(value: string): string {
  return value.length <= 8 ? '*'.repeat(value.length) : `${value.slice(0, 4)}***${value.slice(-4)}`;
}
