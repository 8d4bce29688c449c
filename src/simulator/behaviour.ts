/** How `/usages` states the windows (docs/kimi-api.md#usages, docs/kmi-manager.md#reading-quota). */
export type UsagesView =
  /** `usage` (weekly) and `limits[]` (5 hours). */
  | 'classic'
  /** `usages.limit_5h …`; no `usage`, `limits[]` all "0". */
  | 'new'
  /** Both, agreeing. */
  | 'both'
  /** Both, but every new ratio stuck at 0. */
  | 'contradicting'
  /** `classic`, with `used` missing at 0 and `remaining` missing when nothing is left. */
  | 'sparse'
  /** The tightest window as `remaining_percent`. */
  | 'percent'
  /** The tightest window as `remaining` and `total`. */
  | 'remaining_total'
  /** The same inside `data`. */
  | 'nested';

/** What goes wrong with `/usages` alone. */
export type UsagesFault = { readonly status: number; readonly body?: string; readonly contentType?: string };

/** How an account answers; every field may be changed while the simulator runs. Times in ms. */
export type Behaviour = {
  /** Before the response headers. */
  latencyMs: number;
  /** Between the headers and the first byte of a stream. */
  firstByteDelayMs: number;
  chunkPauseMs: number;
  /** Content deltas of a chat. */
  chunks: number;
  /** Reasoning deltas before them. */
  reasoningChunks: number;
  /** OpenAI protocol: the usage says how many tokens were reasoning. */
  statesReasoning: boolean;
  /** Compress for clients that accept it. */
  gzip: boolean;
  /** Bytes of a body, as sent, after which the connection is reset; null = never. */
  resetAfterBytes: number | null;
  usagesView: UsagesView;
  usagesFault: UsagesFault | null;
  /** OpenAI-protocol chat for coding agents only, told by `User-Agent` (docs/kimi-api.md#user-agent-gate). */
  enforceUserAgent: boolean;
  /** Refuse models the account's list lacks. */
  enforceModels: boolean;
  /** What `/models` says of every model: where its chats go (docs/kimi-api.md#models); null = nothing, so to `/chat/completions`. */
  modelProtocol: 'anthropic' | 'response' | null;
  /** Largest chat body in bytes (2097152 upstream); null = any. */
  messageLimitBytes: number | null;
  /** Send chat bodies back as they came instead of answering. */
  echo: boolean;
};

export const DEFAULT_BEHAVIOUR: Readonly<Behaviour> = {
  latencyMs: 0,
  firstByteDelayMs: 0,
  chunkPauseMs: 0,
  chunks: 6,
  reasoningChunks: 0,
  statesReasoning: false,
  gzip: false,
  resetAfterBytes: null,
  usagesView: 'both',
  usagesFault: null,
  enforceUserAgent: false,
  enforceModels: false,
  modelProtocol: null,
  messageLimitBytes: null,
  echo: false,
};
