import { holdingsOf } from '../../core/sessions/file-references.ts';
import type { HoldingKind } from '../../core/sessions/uploaded-files.ts';
import { redact } from '../../core/text/redact.ts';
import { type UsageProtocol, usageProtocolOf } from '../../core/tokens/token-usage.ts';
import { readMisspelt } from './misspelt-target.ts';
import { isAnthropic, parseTarget, type Target } from './target.ts';

/** No room for a credential in it. */
const ORDINARY_ENDPOINT = /^\/[a-z/_]{0,40}$/;

/** A target and what follows from it alone, worked out once for all requests to it. */
export class Route implements Target {
  readonly endpoint: string;
  readonly query: string;
  /** Errors are to be in Anthropic's form. */
  readonly isAnthropic: boolean;
  /** A chat, which every upstream must know. */
  readonly isChat: boolean;
  /** Of the answers to a POST; null for those that cost no tokens. */
  readonly usageProtocol: UsageProtocol | null;
  /** What its answers name that only the account holds which gave them. */
  readonly holdings: HoldingKind | null;
  /** The endpoint as the trace may show it. */
  readonly traced: string;
  #basePath = '';
  #path: string;

  constructor({ endpoint, query }: Target) {
    this.endpoint = endpoint;
    this.query = query;
    this.isAnthropic = isAnthropic(endpoint);
    this.isChat = endpoint === '/chat/completions' || endpoint === '/messages';
    this.usageProtocol = usageProtocolOf(endpoint);
    this.holdings = holdingsOf(endpoint);
    this.traced = ORDINARY_ENDPOINT.test(endpoint) ? endpoint : redact(endpoint, []);
    this.#path = `${endpoint}${query}`;
  }

  /** The upstream's path below that of a base URL; the bases of most pools are one. */
  pathAt(basePath: string): string {
    if (basePath !== this.#basePath) {
      this.#basePath = basePath;
      this.#path = `${basePath}${this.endpoint}${this.query}`;
    }
    return this.#path;
  }
}

/** Clients use a handful; whoever sends others must not fill the memory. */
const REMEMBERED_MAX = 64;
const REMEMBERED_URL_MAX = 256;

/** Routes by the URL of the request line. */
export class Routes {
  readonly #basePath: string;
  readonly #remembered = new Map<string, Route>();

  constructor(basePath: string) {
    this.#basePath = basePath;
  }

  /** Null when the URL lies outside the base path. Throws `bad_path`. */
  of(url: string): Route | null {
    const known = this.#remembered.get(url);
    if (known !== undefined) return known;
    const target = readMisspelt(url, this.#basePath) ?? parseTarget(url, this.#basePath);
    if (target === null) return null;
    const route = new Route(target);
    if (this.#remembered.size < REMEMBERED_MAX && url.length <= REMEMBERED_URL_MAX) this.#remembered.set(url, route);
    return route;
  }
}
