import type { Config } from '../config/settings.ts';
import { isMode, type ProxyMode } from '../core/clients/proxy-mode.ts';
import { oneLine } from '../core/text/one-line.ts';
import { FAILURES_WITHOUT_STATUS, type Failure, type FailureRun } from '../core/verdicts/upstream-failure.ts';

/** The keys as the running proxy counts them: `ready`, on `cooldown`, and `out`, which are disabled, blocked or empty. */
export type ProxyKeyCounts = { readonly total: number; readonly ready: number; readonly cooldown: number; readonly out: number };

/** What a proxy says about itself, as far as its version does. */
export type ProxyAbout = {
  readonly mode: ProxyMode;
  /** Under its base path, since it started; refused ones included. */
  readonly requests: number;
  /** Null: manual. */
  readonly rotation: string | null;
  /** Null where other machines can ask. */
  readonly upstream: string | null;
  /** The newest requests, when the upstream failed all of them. Absent: it did not, or the proxy is of an older version. */
  readonly failing?: ProxyFailing;
};

/** `host`: null where other machines can ask. */
export type ProxyFailing = Omit<FailureRun, 'host'> & { readonly host: string | null };

/** What answers at the address the settings name. */
export type ProxyProbe =
  | {
      readonly kind: 'running';
      readonly pid: number;
      readonly version: string;
      readonly uptimeSeconds: number;
      readonly keys: ProxyKeyCounts;
      readonly about?: ProxyAbout;
      /** Hash of the key that serves next; null when none can. Absent: it is a proxy of an older version. */
      readonly nextKeyHash?: string | null;
    }
  /** Nothing listens there. */
  | { readonly kind: 'nothing' }
  /** Another program listens there; `answer` says in a few words what came back. */
  | { readonly kind: 'stranger'; readonly answer: string }
  /** Unknown: no answer in time, no such host, or no route to it. */
  | { readonly kind: 'unreachable'; readonly reason: string };

/** The settings the probe goes by. */
export type ProbeTarget = Pick<Config, 'proxyListen' | 'proxyTlsCert'>;

const TIMEOUT_MS = 500;
/** `/healthz` is a few hundred bytes; a stranger's page need not be read. */
const MAX_BODY_CHARS = 16 * 1024;

/** Asks `GET /healthz` who listens: only kmi answers with its name and its pid. Sends no secret. Never throws. */
export async function probeProxy(config: ProbeTarget, timeoutMs: number = TIMEOUT_MS): Promise<ProxyProbe> {
  try {
    // Port 0 means any free port, so nothing listens on it.
    if (config.proxyListen.port === 0) return { kind: 'nothing' };
    // Most often nothing listens. Finding that out needs no HTTP client, which takes longer to load than to use.
    if (!(await isListening(config, timeoutMs))) return { kind: 'nothing' };
    const { status, body } = await getHealthz(config, timeoutMs);
    return readHealthz(body) ?? { kind: 'stranger', answer: `HTTP ${status}` };
  } catch (error) {
    return judgeFailure(error);
  }
}

/** `http://127.0.0.1:54123` as a client on this machine reaches it. */
export function proxyOrigin({ proxyListen, proxyTlsCert }: ProbeTarget): string {
  const host = reachableHost(proxyListen.host);
  return `${proxyTlsCert === '' ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${proxyListen.port}`;
}

/** What a client is pointed at. */
export function proxyUrl(config: ProbeTarget & Pick<Config, 'proxyBasePath'>): string {
  return `${proxyOrigin(config)}${config.proxyBasePath}`;
}

function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/** False when the connection is refused; anything else is for the real question to find out. */
async function isListening({ proxyListen: { host, port } }: ProbeTarget, timeoutMs: number): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ host: reachableHost(host), port, timeout: timeoutMs });
    const settle = (listening: boolean) => {
      resolve(listening);
      socket.destroy();
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(true));
    socket.once('error', (error) => settle((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED'));
  });
}

type Answer = { readonly status: number; readonly body: string };

async function getHealthz(config: ProbeTarget, timeoutMs: number): Promise<Answer> {
  const secure = config.proxyTlsCert !== '';
  const { request } = secure ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const call = request(
      `${proxyOrigin(config)}/healthz`,
      // The certificate may be self-made or name another host. Nothing secret is sent, and the answer decides only what is shown.
      { agent: false, headers: { connection: 'close' }, ...(secure ? { rejectUnauthorized: false } : {}) },
      (response) => {
        let body = '';
        const finish = () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, body });
          response.destroy();
        };
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
          if (body.length > MAX_BODY_CHARS) finish();
        });
        response.on('end', finish).on('error', fail);
      },
    );
    const timer = setTimeout(() => {
      reject(new TimedOut());
      call.destroy();
    }, timeoutMs);
    const fail = (error: unknown) => {
      clearTimeout(timer);
      reject(error);
    };
    call.on('error', fail);
    call.end();
  });
}

class TimedOut extends Error {}

/** The answer of our own proxy, or null. */
function readHealthz(body: string): ProxyProbe | null {
  try {
    const answer = JSON.parse(body) as Record<string, unknown>;
    const { name, pid, version, uptime_seconds: uptimeSeconds, keys, next_key_hash: next } = answer;
    if (name !== 'kmi' || !isCount(pid) || typeof version !== 'string' || !isCount(uptimeSeconds)) return null;
    // `resting`: what a proxy of an older version calls it.
    const { total, ready, resting, cooldown = resting, out } = (keys ?? {}) as Record<string, unknown>;
    if (!isCount(total) || !isCount(ready) || !isCount(cooldown) || !isCount(out)) return null;
    const nextKeyHash = next === null || (typeof next === 'string' && /^[0-9a-f]{12}$/.test(next)) ? { nextKeyHash: next } : {};
    const counts = { total, ready, cooldown, out };
    return { kind: 'running', pid, version, uptimeSeconds, keys: counts, ...nextKeyHash, ...readAbout(answer) };
  } catch {
    return null;
  }
}

const ABOUT_MAX_CHARS = 200;

function readAbout({ mode, requests, rotation, upstream, failing }: Record<string, unknown>): { readonly about?: ProxyAbout } {
  if (!isMode(mode) || !isCount(requests)) return {};
  return { about: { mode, requests, rotation: textOrNull(rotation), upstream: textOrNull(upstream), ...readFailing(failing) } };
}

function readFailing(value: unknown): { readonly failing?: ProxyFailing } {
  const { requests, failure, host, since } = (value ?? {}) as Record<string, unknown>;
  const at = typeof since === 'string' ? Date.parse(since) : Number.NaN;
  if (!isCount(requests) || !isFailure(failure) || Number.isNaN(at)) return {};
  return { failing: { requests, failure, host: textOrNull(host), since: at } };
}

function isFailure(value: unknown): value is Failure {
  return isCount(value) || FAILURES_WITHOUT_STATUS.some((word) => word === value);
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? oneLine(value, ABOUT_MAX_CHARS) : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name cannot be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  EADDRNOTAVAIL: 'the address is not of this machine',
};

function judgeFailure(error: unknown): ProxyProbe {
  if (error instanceof TimedOut) return { kind: 'unreachable', reason: 'no answer in time' };
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ECONNREFUSED') return { kind: 'nothing' };
  if (Object.hasOwn(REASONS, code)) return { kind: 'unreachable', reason: REASONS[code] as string };
  if (code.startsWith('HPE_')) return { kind: 'stranger', answer: 'something that is not HTTP' };
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return { kind: 'stranger', answer: 'something that is not TLS' };
  // It took the connection and hung up: not a proxy with these settings.
  if (code === 'ECONNRESET' || code === 'EPIPE') return { kind: 'stranger', answer: 'a closed connection' };
  return { kind: 'unreachable', reason: code === '' ? String(error) : code };
}
