/** One upstream attempt of a request, other than the one that was relayed. `status`: null when no answer came. */
export type TriedKey = { readonly key_label: string; readonly status: number | null; readonly verdict: string };
export type SkippedKey = { readonly key_label: string; readonly reason: string };

/**
 * One line of the trace: one request (docs/kmi-manager.md#trace). What follows `prompt_head` are this project's
 * additions.
 */
export type TraceEvent = {
  readonly schema_version: 1;
  /** "2026-02-02 12:00:00 +0300" in KMI_TIMEZONE. */
  readonly ts: string;
  readonly request_id: string;
  readonly method: string;
  /** Path below the base path, without query: "/chat/completions". */
  readonly endpoint: string;
  readonly status: number;
  readonly latency_ms: number;
  /** Empty when no key was chosen. */
  readonly key_label: string;
  readonly key_hash: string;
  readonly rotation_index: number;
  readonly error_code: string | number | null;
  /** The first words of the user's last text: at most 6 words and 60 characters, "..." when cut. */
  readonly prompt_hint: string;
  readonly prompt_head: string;
  /** Why the key was chosen. */
  readonly choice: string | null;
  /** What the upstream's error says that the client got; absent when it got none. */
  readonly verdict?: string;
  /** Keys that were tried before, in order. */
  readonly tried?: readonly TriedKey[];
  /** Keys that were passed over when the last choice was made. */
  readonly skipped?: readonly SkippedKey[];
  /** Tokens of the answer, as far as the upstream stated them; the input is the whole prompt, its cached part included. */
  readonly input_tokens?: number;
  readonly cached_tokens?: number;
  readonly output_tokens?: number;
  /** Short hash of the session the request belongs to. */
  readonly session?: string;
  readonly dry_run?: true;
};

export type TracedTokens = { readonly input: number; readonly cached: number; readonly output: number };

/** What the answer took; null when the line does not say. */
export function tokensOf({ input_tokens: input, cached_tokens: cached, output_tokens: output }: TraceEvent): TracedTokens | null {
  if (input === undefined && output === undefined) return null;
  return { input: input ?? 0, cached: Math.min(cached ?? 0, input ?? 0), output: output ?? 0 };
}

/** Epoch ms at which the request came; null for a time that cannot be read. */
export function timeOfEvent({ ts }: Pick<TraceEvent, 'ts'>): number | null {
  const at = Date.parse(`${ts.slice(0, 10)}T${ts.slice(11, 19)}${ts.slice(20, 23)}:${ts.slice(23, 25)}`);
  return Number.isNaN(at) ? null : at;
}

/** The answer began well and broke off. */
export function isBroken({ error_code: error }: Pick<TraceEvent, 'error_code'>): boolean {
  return error === 'stream_broken';
}

/** Another key was tried before the one that served, or than the one whose error the client got. */
export function isFailover({ tried = [] }: Pick<TraceEvent, 'tried'>): boolean {
  return tried.length > 0;
}

/** The client got an error or half an answer. A client that left did so by itself. */
export function isFailed({ status, error_code: error }: Pick<TraceEvent, 'status' | 'error_code'>): boolean {
  return error !== 'client_left' && (status >= 400 || error !== null);
}
