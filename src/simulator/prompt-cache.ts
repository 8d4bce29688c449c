const MAX_SESSIONS = 10_000;

/**
 * The upstream's prompt cache of one account, in its simplest useful form: a session (`prompt_cache_key`, or
 * `metadata.user_id` on the Anthropic path; docs/kimi-api.md#prompt-cache) finds as many tokens of its prompt cached as
 * its longest earlier prompt had. A session that is not heard of for `lifetimeMs` is forgotten.
 */
export class PromptCache {
  lifetimeMs: number;
  readonly #sessions = new Map<string, { tokens: number; expiresAt: number }>();

  constructor(lifetimeMs: number) {
    this.lifetimeMs = lifetimeMs;
  }

  /** Tokens of this prompt that were cached, 0 to `tokens`; the prompt is cached from now on. */
  use(session: string | null, tokens: number, now: number): number {
    if (session === null) return 0;
    const known = this.#sessions.get(session);
    const cachedTokens = known !== undefined && known.expiresAt > now ? known.tokens : 0;
    this.#sessions.delete(session);
    this.#sessions.set(session, { tokens: Math.max(cachedTokens, tokens), expiresAt: now + this.lifetimeMs });
    if (this.#sessions.size > MAX_SESSIONS) {
      for (const oldest of this.#sessions.keys()) {
        this.#sessions.delete(oldest);
        break;
      }
    }
    return Math.min(cachedTokens, tokens);
  }
}
