/**
 * Everything that can stop a command or refuse a request: code → HTTP status (for errors a client of the proxy sees),
 * exit code (for errors a command ends with) and a hint that says what to do next.
 */
export const ERRORS = {
  bad_settings: {
    http: 500,
    exit: 2,
    hint: 'Correct the values, then run `kmi config --all` to see every setting and where it came from.',
  },
  bad_usage: { http: 400, exit: 2, hint: 'See `kmi --help`.' },
  no_keys: {
    http: 503,
    exit: 1,
    hint: 'Set kmi up with `kmi init`, log in with `kmi login`, add a key with `kmi keys add`, or try `kmi demo`.',
  },
  unknown_key: { http: 404, exit: 1, hint: 'See `kmi keys list` for the labels.' },
  key_not_added: { http: 400, exit: 1, hint: 'Nothing was written. See `kmi keys list` for what is there.' },
  auth_file_unchanged: { http: 500, exit: 1, hint: 'Change the file by hand; a running proxy follows within a second.' },
  no_eligible_key: { http: 503, exit: 1, hint: 'See `kmi status` for what each key waits for, `kmi doctor` for what to do.' },
  key_refused: {
    http: 403,
    exit: 1,
    hint: "This is not about the client's own key or login: see `kmi keys test` on the machine of the proxy.",
  },
  account_refused: {
    http: 503,
    exit: 1,
    hint: "This is not about the client's own key or login: see `kmi keys test` on the machine of the proxy.",
  },
  rotation_not_allowed: {
    http: 403,
    exit: 1,
    hint: "Read the provider's terms, then type `kmi config set KMI_AUTO_ROTATE_ALLOWED 1`.",
  },
  port_in_use: {
    http: 500,
    exit: 1,
    hint: 'Stop the program that holds the port, or use another one: `kmi config set KMI_PROXY_LISTEN 127.0.0.1:8080`.',
  },
  unsafe_bind: { http: 500, exit: 1, hint: 'Bind to 127.0.0.1, or set up remote use: see docs/remote.md.' },
  state_unusable: { http: 500, exit: 1, hint: 'Check the folder named by KMI_STATE_DIR: it must be a folder you can write to.' },
  proxy_unreachable: { http: 502, exit: 1, hint: 'Start it with `kmi proxy`.' },
  proxy_not_started: { http: 500, exit: 1, hint: 'Its log: `kmi logs`. What else may be wrong: `kmi doctor`.' },
  settings_elsewhere: { http: 500, exit: 1, hint: 'Restart it in the folder it was started in.' },
  not_our_proxy: { http: 500, exit: 1, hint: 'Stop it the way it was started; see `kmi doctor`.' },
  no_log: { http: 500, exit: 1, hint: 'It is written once the proxy has run: `kmi proxy`.' },
  unauthorized: {
    http: 401,
    exit: 1,
    hint: 'Send the proxy token as `Authorization: Bearer`, `x-kmi-proxy-token` or `x-api-key`.',
  },
  forbidden_host: {
    http: 403,
    exit: 1,
    hint: 'Call the proxy by its loopback address, or add the name to KMI_PROXY_ALLOWED_HOSTS.',
  },
  forbidden_origin: {
    http: 403,
    exit: 1,
    hint: 'Web pages may not call the proxy; add the origin to KMI_PROXY_ALLOWED_ORIGINS to allow one.',
  },
  rate_limited: { http: 429, exit: 1, hint: 'Wait, or raise the KMI_PROXY_MAX_* limits.' },
  body_too_large: { http: 413, exit: 1, hint: 'Send less, or raise KMI_PROXY_MAX_BODY_MB.' },
  body_timeout: { http: 408, exit: 1, hint: 'Send the request again, or raise KMI_PROXY_BODY_TIMEOUT_SECONDS.' },
  bad_method: { http: 405, exit: 1, hint: 'Use another method.' },
  upgrade_refused: { http: 426, exit: 1, hint: 'Send the request over HTTP/1.1 as it is, without Upgrade.' },
  loop: {
    http: 508,
    exit: 1,
    hint: 'Correct KMI_UPSTREAM_BASE_URL, here or in the auth files: it must name the Kimi API, for example https://api.kimi.com/coding/v1.',
  },
  bad_framing: { http: 400, exit: 1, hint: 'Send it over HTTP/1.1, or with a Content-Length.' },
  bad_path: { http: 400, exit: 1, hint: 'Use a plain path below the base path.' },
  not_found: { http: 404, exit: 1, hint: 'The proxy serves its base path and /healthz.' },
  upstream_unreachable: { http: 502, exit: 1, hint: 'Check the network and KMI_UPSTREAM_BASE_URL with `kmi doctor`.' },
  upstream_timeout: {
    http: 504,
    exit: 1,
    hint: 'The upstream was silent for too long; see the KMI_PROXY_*_TIMEOUT_SECONDS settings.',
  },
  shutting_down: { http: 503, exit: 1, hint: 'The proxy is stopping; send the request again.' },
  notice_not_sent: { http: 500, exit: 1, hint: 'Check KMI_NOTIFY with `kmi config` and `kmi doctor`.' },
  login_failed: { http: 502, exit: 1, hint: 'Nothing was stored. Try again: `kmi login`; check the network with `kmi doctor`.' },
  client_failed: { http: 500, exit: 1, hint: 'Install the Kimi CLI or put it on the PATH.' },
  internal: { http: 500, exit: 1, hint: 'This is a fault of kmi; the log has the details.' },
} as const satisfies Record<string, { http: number; exit: number; hint: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** An expected way to fail. `message` says what happened, to what; `hint` what to do. Never holds a key, only labels. */
export class KmiError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  /** Seconds a client should wait before it tries again, when known. */
  readonly retryAfterSeconds: number | null;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KmiError';
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }

  get httpStatus(): number {
    return ERRORS[this.code].http;
  }

  get exitCode(): number {
    return ERRORS[this.code].exit;
  }
}

/** The system's short code of an error ("ENOENT", "ECONNREFUSED"), or its message when it has none. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message;
  return String(error);
}
