import { STRATEGIES } from '../core/choosing/strategy.ts';
import { listed } from '../core/text/listed.ts';
import {
  basePath,
  boolean,
  choice,
  hostList,
  integer,
  listen,
  notifyTarget,
  oauthHost,
  originList,
  path,
  proxyUrl,
  text,
  timezone,
  upstreamUrl,
} from './kinds.ts';

/**
 * THE table of settings. Each row makes the parser, the frozen config's field, a line of `.env.example`, a row of the
 * docs/settings.md and a line of `kmi config`. Facts: docs/kmi-manager.md#settings.
 */
export const SETTINGS = {
  authsDir: path('KMI_AUTHS_DIR', '', 'folder with the auth files; `_auths` here, else `~/.kmi/_auths`, else `~/.kimi/_auths`'),
  stateDir: path('KMI_STATE_DIR', '~/.kmi', 'folder for state, logs, trace and pid'),

  upstreamBaseUrl: upstreamUrl('KMI_UPSTREAM_BASE_URL', 'https://api.kimi.com/coding/v1', 'upstream of keys that name none'),
  upstreamAllowlist: hostList('KMI_UPSTREAM_ALLOWLIST', 'hosts keys may be sent to, `*.domain` allowed; empty = any'),
  oauthHost: oauthHost(
    'KMI_OAUTH_HOST',
    'where `kmi login` logs in; empty = by region, https://auth.kimi.com or https://auth.kimi.ai',
  ),
  oauthHostOverridesSlots: boolean(
    'KMI_OAUTH_HOST_OVERRIDES_SLOTS',
    false,
    "KMI_OAUTH_HOST and KMI_UPSTREAM_BASE_URL also stand for a Kimi client's own login; for tests",
  ),
  upstreamProxy: proxyUrl(
    'KMI_UPSTREAM_PROXY',
    'proxy for upstream calls, `none` for no proxy; else HTTPS_PROXY, ALL_PROXY, NO_PROXY; loopback is always direct',
  ),

  proxyListen: listen('KMI_PROXY_LISTEN', '127.0.0.1:54123', 'address and port the proxy binds; port 0 = any free port'),
  proxyBasePath: basePath('KMI_PROXY_BASE_PATH', '/kmi-rotor/v1', 'path prefix the proxy serves'),
  proxyAllowRemote: boolean('KMI_PROXY_ALLOW_REMOTE', false, 'permit a bind that other machines can reach'),
  proxyToken: text('KMI_PROXY_TOKEN', 'token clients must send; required for a remote bind', { secret: true }),
  proxyRequireTls: boolean('KMI_PROXY_REQUIRE_TLS', true, 'a remote bind needs TLS'),
  proxyTlsTerminated: boolean('KMI_PROXY_TLS_TERMINATED', false, 'TLS ends in front of the proxy'),
  proxyTlsCert: path('KMI_PROXY_TLS_CERT', '', 'certificate chain (PEM) for own TLS'),
  proxyTlsKey: path('KMI_PROXY_TLS_KEY', '', 'private key (PEM) for own TLS'),
  proxyAllowedHosts: hostList('KMI_PROXY_ALLOWED_HOSTS', 'further `Host` names the proxy answers to'),
  proxyAllowedOrigins: originList('KMI_PROXY_ALLOWED_ORIGINS', 'web origins that may call the proxy'),

  proxyMaxRps: integer('KMI_PROXY_MAX_RPS', 0, 'requests a second, whole proxy; 0 = no limit'),
  proxyMaxRpm: integer('KMI_PROXY_MAX_RPM', 0, 'requests a minute, whole proxy; 0 = no limit'),
  proxyMaxRpsPerKey: integer('KMI_PROXY_MAX_RPS_PER_KEY', 0, 'requests a second and key; 0 = no limit'),
  proxyMaxRpmPerKey: integer('KMI_PROXY_MAX_RPM_PER_KEY', 0, 'requests a minute and key; 0 = no limit'),

  proxyFailoverMax: integer(
    'KMI_PROXY_FAILOVER_MAX',
    3,
    'further keys one request may try, not counting used-up or refused ones; 0 = none',
    { max: 1000 },
  ),
  proxyWaitSeconds: integer(
    'KMI_PROXY_WAIT_SECONDS',
    0,
    'hold a request this long for a key on cooldown or a busy account; 0 = answer 503 at once',
    {
      max: 86_400,
    },
  ),
  proxyRetryMax: integer('KMI_PROXY_RETRY_MAX', 0, 'retries with backoff when every key failed with a network error or 5xx', {
    max: 100,
  }),
  proxyRetryBaseMs: integer('KMI_PROXY_RETRY_BASE_MS', 250, 'first backoff in ms, doubles per retry', { max: 60_000 }),
  proxyConnectTimeoutSeconds: integer('KMI_PROXY_CONNECT_TIMEOUT_SECONDS', 10, 'time to connect to the upstream; 0 = none', {
    max: 86_400,
  }),
  proxyFirstByteTimeoutSeconds: integer(
    'KMI_PROXY_FIRST_BYTE_TIMEOUT_SECONDS',
    600,
    'time to the first byte of an answer; 0 = none',
    { max: 86_400 },
  ),
  proxyIdleTimeoutSeconds: integer('KMI_PROXY_IDLE_TIMEOUT_SECONDS', 300, 'silence allowed inside an answer; 0 = none', {
    max: 86_400,
  }),
  proxyMaxBodyMb: integer('KMI_PROXY_MAX_BODY_MB', 128, 'largest request body; more is refused with 413', {
    min: 1,
    max: 65_536,
  }),
  proxyReplayMaxMb: integer('KMI_PROXY_REPLAY_MAX_MB', 16, 'largest request body held for failover; larger ones stream through', {
    max: 2048,
  }),

  proxyMaxConnections: integer(
    'KMI_PROXY_MAX_CONNECTIONS',
    4096,
    'client connections at a time; more close idle ones first; 0 = no limit',
    { max: 1_000_000 },
  ),
  proxyHeaderTimeoutSeconds: integer('KMI_PROXY_HEADER_TIMEOUT_SECONDS', 30, 'time a client has to send the head of a request', {
    min: 1,
    max: 3600,
  }),
  proxyBodyTimeoutSeconds: integer('KMI_PROXY_BODY_TIMEOUT_SECONDS', 60, 'silence allowed inside a request body; 0 = none', {
    max: 86_400,
  }),

  dryRun: boolean('KMI_DRY_RUN', true, 'simulate upstream calls'),
  rotateStrategy: choice(
    'KMI_ROTATE_STRATEGY',
    STRATEGIES,
    `${listed(
      STRATEGIES.map((name) => `\`${name}\``),
      'or',
    )}; what \`kmi rotate auto --strategy\` chose overrides it`,
  ),
  autoRotateAllowed: boolean('KMI_AUTO_ROTATE_ALLOWED', false, 'policy switch for auto-rotation'),
  autoRotateE2e: boolean('KMI_AUTO_ROTATE_E2E', true, 'end-to-end check when auto-rotation is turned on'),
  rotationCooldownSeconds: integer('KMI_ROTATION_COOLDOWN_SECONDS', 300, 'cooldown of a key when the upstream names no time', {
    min: 1,
    max: 31_536_000,
  }),
  rotateOnTie: boolean('KMI_ROTATE_ON_TIE', true, 'manual rotation moves on when keys tie'),
  rotateIncludeWarn: boolean(
    'KMI_ROTATE_INCLUDE_WARN',
    false,
    'accepted for older files, without effect: `warn` keys take their turns anyway',
  ),
  writeConfig: boolean('KMI_WRITE_CONFIG', false, "`kmi rotate` also writes the key into the Kimi CLI's config"),
  paymentBlockSeconds: integer('KMI_PAYMENT_BLOCK_SECONDS', 3600, 'block after a payment error; 0 = until unblocked by hand', {
    max: 31_536_000,
  }),

  requireUsageBeforeRequest: boolean('KMI_REQUIRE_USAGE_BEFORE_REQUEST', false, 'use only keys with a good cached `/usages`'),
  failOpenOnEmptyCache: boolean('KMI_FAIL_OPEN_ON_EMPTY_CACHE', true, 'let requests through while nothing good is known'),
  usageCacheSeconds: integer('KMI_USAGE_CACHE_SECONDS', 600, 'health refresh interval; 0 = never refresh', { max: 31_536_000 }),
  blocklistRecheckSeconds: integer('KMI_BLOCKLIST_RECHECK_SECONDS', 3600, 'recheck blocked keys this often; 0 = never', {
    max: 31_536_000,
  }),
  blocklistRecheckMax: integer('KMI_BLOCKLIST_RECHECK_MAX', 3, 'blocked keys rechecked per pass', { max: 100_000 }),

  traceMaxMb: integer('KMI_TRACE_MAX_MB', 5, 'trace file size before it rotates; 0 = never'),
  traceBackups: integer('KMI_TRACE_BACKUPS', 3, 'rotated trace files kept', { max: 1000 }),
  tracePrompts: boolean('KMI_TRACE_PROMPTS', true, 'keep the first words of prompts in the trace'),
  logMaxMb: integer('KMI_LOG_MAX_MB', 5, 'log file size before it rotates; 0 = never'),
  logBackups: integer('KMI_LOG_BACKUPS', 3, 'rotated log files kept', { max: 1000 }),

  notify: notifyTarget(
    'KMI_NOTIFY',
    'where to tell you when no key can serve, an account runs out or comes back, or a key needs you: `desktop`, or the URL of a webhook (Slack, Discord, ntfy); empty = nowhere',
  ),

  timezone: timezone('KMI_TIMEZONE', 'local', 'zone of the times shown: `local`, `UTC`, `+03:00` or an IANA name'),
  locale: choice('KMI_LOCALE', ['en', 'ru'], 'language of rotation summaries'),
  plain: boolean('KMI_PLAIN', false, 'plain output: no colour, no box drawing'),
  noColor: boolean('KMI_NO_COLOR', false, 'no colour (also `NO_COLOR`)'),
  enforceFilePerms: boolean('KMI_ENFORCE_FILE_PERMS', true, 'harden files to 600, folders to 700'),
  auditActor: text('KMI_AUDIT_ACTOR', 'name of the actor in audit events; else `$USER`'),
  showSource: boolean('KMI_SHOW_SOURCE', false, 'the health view also names the auth file'),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** Those that are never shown, logged or put on record. */
export const SECRET_SETTINGS: ReadonlySet<SettingName> = new Set(
  (Object.keys(SETTINGS) as SettingName[]).filter((name) => SETTINGS[name].secret),
);

/** The frozen settings of one run. Durations carry their unit in the name, as the variables do. */
export type Config = { readonly [Name in SettingName]: ReturnType<(typeof SETTINGS)[Name]['parse']> } & {
  /** No setting: the upstream is made up, and so are the keys. */
  readonly isSimulated?: true;
};

/** Every setting at its default, whatever environment and files say. */
export function defaultConfig(): Config {
  const values = Object.entries(SETTINGS).map(([name, row]) => [name, row.parse(row.defaultText)]);
  return Object.freeze(Object.fromEntries(values));
}
