import { fieldOf, type JsonRecord, parseJson, recordOf } from '../core/json/json-value.ts';
import { ConnectFailure } from '../core/network/connect-failure.ts';
import { describeNetworkCode, networkCode } from '../core/network/network-words.ts';
import { oneLine } from '../core/text/one-line.ts';
import { redact } from '../core/text/redact.ts';
import type { Clock } from '../core/text/time.ts';
import type { TokenPair } from './login.ts';
import { isSendableToken } from './token-pair.ts';

/** Sends a form the way the proxy sends its requests. Rejects when no answer comes. */
export type PostForm = (
  url: string,
  form: Readonly<Record<string, string>>,
  options: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Promise<FormAnswer>;

export type FormAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};

/** What a call needs of the world. */
export type OauthNet = {
  readonly post: PostForm;
  /** Of kmi itself. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Epoch ms. */
  readonly clock: Clock;
  /** Told of every token and device code that comes, before anybody else sees it. */
  readonly onSecret: (secret: string) => void;
};

/** Reasons are sentences without a secret. */
export type Failed = { readonly kind: 'failed'; readonly reason: string };
type Granted = { readonly kind: 'granted'; readonly tokens: TokenPair };

export type DeviceGrant = {
  readonly kind: 'begun';
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string;
  readonly expiresInS: number;
  readonly intervalS: number;
};

export type PollOutcome =
  | Granted
  | { readonly kind: 'pending' | 'slow_down' | 'expired' | 'denied' }
  /** No answer came; the next poll may get one. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  | Failed;

export type RefreshOutcome =
  | Granted
  /** For good (docs/kimi-api.md#oauth-requests). */
  | { readonly kind: 'refused' }
  /** Another try may succeed. */
  | { readonly kind: 'again'; readonly reason: string }
  | Failed;

/** The one public client of both regions (docs/kimi-api.md#oauth-requests). */
const CLIENT_ID = '17e5f671-d194-4dfb-9706-5516cb48c098';
/** docs/kimi-api.md#oauth-requests */
export const CALL_MS = 30_000;
/** What the server says where it does not say how long. */
const DEVICE_LIFETIME_S = 1800;
const INTERVAL_S = 5;
const ACCESS_LIFETIME_S = 900;
const TRANSIENT: readonly number[] = [429, 500, 502, 503, 504];
const REFUSAL_WORDS = 'the provided authorization grant is invalid';

export async function beginDevice(net: OauthNet, host: string, signal: AbortSignal): Promise<DeviceGrant | Failed> {
  const answer = await call(net, host, 'device_authorization', {}, { signal });
  if ('unreachable' in answer) return { kind: 'failed', reason: answer.unreachable };
  const { status, record } = answer;
  if (status !== 200) return failed(host, answer);
  const [deviceCode, userCode, complete] = ['device_code', 'user_code', 'verification_uri_complete'].map((name) => {
    const value = fieldOf(record, name);
    return typeof value === 'string' ? value : '';
  }) as [string, string, string];
  if (deviceCode !== '') net.onSecret(deviceCode);
  const address = pageAddress(complete);
  if (!isSendableToken(deviceCode) || userCode === '' || oneLine(userCode, 64) !== userCode || address === null) {
    return { kind: 'failed', reason: `${host} answered without a code or an address that could be used.` };
  }
  return {
    kind: 'begun',
    deviceCode,
    userCode,
    verificationUri: pageAddress(fieldOf(record, 'verification_uri')) ?? address,
    verificationUriComplete: address,
    expiresInS: secondsOf(fieldOf(record, 'expires_in')) ?? DEVICE_LIFETIME_S,
    intervalS: Math.max(secondsOf(fieldOf(record, 'interval')) ?? INTERVAL_S, 1),
  };
}

export async function pollDevice(net: OauthNet, host: string, deviceCode: string, signal: AbortSignal): Promise<PollOutcome> {
  const grant = { device_code: deviceCode, grant_type: 'urn:ietf:params:oauth:grant-type:device_code' };
  const answer = await call(net, host, 'token', grant, { signal });
  if ('unreachable' in answer) return { kind: 'unreachable', reason: answer.unreachable };
  const { status, record } = answer;
  const tokens = status === 200 ? grantedTokens(net, record) : null;
  if (tokens !== null) return { kind: 'granted', tokens };
  // Also pending and refused come as 400 (docs/kimi-api.md#oauth-requests).
  switch (status < 500 ? fieldOf(record, 'error') : undefined) {
    case 'authorization_pending':
      return { kind: 'pending' };
    case 'slow_down':
      return { kind: 'slow_down' };
    case 'expired_token':
      return { kind: 'expired' };
    case 'access_denied':
      return { kind: 'denied' };
    default:
      return failed(host, answer, [deviceCode]);
  }
}

/** Has no signal: a refresh token that was sent may be used up, so its answer is waited for. */
export async function refreshTokens(
  net: OauthNet,
  host: string,
  refreshToken: string,
  timeoutMs: number,
): Promise<RefreshOutcome> {
  const grant = { grant_type: 'refresh_token', refresh_token: refreshToken };
  const answer = await call(net, host, 'token', grant, { timeoutMs });
  if ('unreachable' in answer) return { kind: 'again', reason: answer.unreachable };
  const { status, record, isPage, body } = answer;
  const tokens = status === 200 ? grantedTokens(net, record) : null;
  if (tokens !== null) return { kind: 'granted', tokens };
  if (fieldOf(record, 'error') === 'invalid_grant') return { kind: 'refused' };
  // A page with such a status comes from something on the way, which knows nothing of the login.
  if ((status === 401 || status === 403) && !isPage) return { kind: 'refused' };
  if (status === 400 && body.toLowerCase().includes(REFUSAL_WORDS)) return { kind: 'refused' };
  const { reason } = failed(host, answer, [refreshToken]);
  return TRANSIENT.includes(status) ? { kind: 'again', reason } : { kind: 'failed', reason };
}

type OauthAnswer = {
  readonly status: number;
  readonly record: JsonRecord | null;
  /** It is a web page, not the server's own answer. */
  readonly isPage: boolean;
  readonly body: string;
};

async function call(
  { post, headers }: OauthNet,
  host: string,
  endpoint: 'device_authorization' | 'token',
  form: Readonly<Record<string, string>>,
  { signal, timeoutMs = CALL_MS }: CallOptions,
): Promise<OauthAnswer | { readonly unreachable: string }> {
  const own = await headers();
  const abort = new AbortController();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, timeoutMs);
  const onAbort = (): void => abort.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) abort.abort();
  try {
    const options = { headers: own, signal: abort.signal };
    const { status, headers, body } = await post(`${host}/api/oauth/${endpoint}`, { client_id: CLIENT_ID, ...form }, options);
    const isPage = body.trimStart().startsWith('<') || /^\s*text\/html/i.test(String(headers['content-type'] ?? ''));
    return { status, record: recordOf(parseJson(body)), isPage, body };
  } catch (error) {
    if (isLate) return { unreachable: `${host} did not answer within ${Math.round(timeoutMs / 1000)} s.` };
    if (error instanceof ConnectFailure) return { unreachable: error.message };
    return { unreachable: `No answer came from ${host}: ${describeNetworkCode(networkCode(error))}.` };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

type CallOptions = { readonly signal?: AbortSignal; readonly timeoutMs?: number };

/** Null when a token is missing (docs/kimi-api.md#oauth-requests). */
function grantedTokens({ clock, onSecret }: OauthNet, record: JsonRecord | null): TokenPair | null {
  const [accessToken, refreshToken] = [fieldOf(record, 'access_token'), fieldOf(record, 'refresh_token')];
  for (const token of [accessToken, refreshToken]) if (typeof token === 'string' && token !== '') onSecret(token);
  if (!isSendableToken(accessToken) || !isSendableToken(refreshToken)) return null;
  // The old pair is gone by now: better a pair with a guessed end than none.
  const expiresIn = secondsOf(fieldOf(record, 'expires_in')) ?? ACCESS_LIFETIME_S;
  const [scope, tokenType] = [fieldOf(record, 'scope'), fieldOf(record, 'token_type')];
  return Object.freeze({
    accessToken,
    refreshToken,
    expiresAt: Math.floor(clock() / 1000 + expiresIn),
    expiresIn,
    scope: typeof scope === 'string' ? scope : '',
    tokenType: typeof tokenType === 'string' ? tokenType : 'Bearer',
  });
}

function secondsOf(value: unknown): number | null {
  const seconds = typeof value === 'string' ? Number(value) : value;
  return typeof seconds === 'number' && seconds > 0 && seconds < 1e9 ? seconds : null;
}

/** An address that a browser may be sent to. */
function pageAddress(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null;
  const { protocol, href } = new URL(value);
  return protocol === 'https:' || protocol === 'http:' ? href : null;
}

const LONGEST_REASON = 200;

function failed(host: string, { status, record, isPage }: OauthAnswer, secrets: readonly string[] = []): Failed {
  const said = isPage ? 'a web page, so something on the way answered' : serverText(record);
  const text = oneLine(redact(said ?? '', secrets), LONGEST_REASON).replace(/[.!]+$/, '');
  return { kind: 'failed', reason: `${host} answered ${status}${text === '' ? '' : `: ${text}`}.` };
}

function serverText(record: JsonRecord | null): string | undefined {
  const said = fieldOf(record, 'error_description', 'message', 'detail', 'error');
  const text = typeof said === 'string' ? said : fieldOf(recordOf(said), 'message', 'code', 'type');
  return typeof text === 'string' ? text : undefined;
}
