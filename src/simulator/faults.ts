import type { IncomingHttpHeaders } from 'node:http';
import { ERRORS, type ErrorName, type UpstreamError } from './errors.ts';
import { Plan, type PlanOptions } from './plan.ts';
import { ALL_ROUTES, FORWARDED_ROUTES, type Route, WORK_ROUTES } from './routes.ts';

/** An answer sent exactly as given, with nothing added but what HTTP framing needs. */
export type RawAnswer = {
  /** Default 200. */
  readonly status?: number;
  /** A flat raw list (name, value, name, value) or pairs; repetitions are kept. */
  readonly headers?: readonly string[] | readonly (readonly [string, string])[];
  readonly chunks: readonly (Buffer | string)[];
  /** Between chunks, ms. */
  readonly pauseMs?: number;
  /** `clean` (default), `reset` (TCP reset after the last chunk), `cut` (closed without the end), `hang` (never ends). */
  readonly end?: 'clean' | 'reset' | 'cut' | 'hang';
};

/** `refuse`: the connection is reset before an answer; `hang`: no answer ever; `reset`: a good answer breaks on the way. */
export type TransportFault = 'refuse' | 'hang' | 'reset';

export type Fault =
  | { readonly kind: 'error'; readonly error: UpstreamError; readonly inStreamAfterChunks: number | null }
  | { readonly kind: 'raw'; readonly answer: RawAnswer }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'hang'; readonly inStreamAfterChunks: number | null }
  | { readonly kind: 'reset'; readonly afterBytes: number | null };

export type FaultOptions = PlanOptions & {
  /** Routes it strikes; see `routesOf` for the default. */
  on?: readonly Route[];
  /** `reset` only: bytes of the body, as sent, that still leave; default half of it. */
  afterBytes?: number;
  /**
   * Errors and `hang` of a streamed chat only: answer 200, send this many chunks, then the error as an event of the stream,
   * or nothing more until the client leaves (nothing at all where the answer is no stream).
   */
  inStreamAfterChunks?: number;
};

/** What is to go wrong for an account. */
export class FaultPlan {
  readonly #plan = new Plan<Fault, Route>();

  add(what: ErrorName | TransportFault | UpstreamError | RawAnswer, options: FaultOptions = {}): void {
    const fault = faultOf(what, options);
    this.#plan.add(fault, options.on ?? routesOf(fault), options);
  }

  clear(): void {
    this.#plan.clear();
  }

  /** The fault that strikes this request, or null. */
  draw(route: Route, headers: IncomingHttpHeaders): Fault | null {
    return this.#plan.draw(route, headers);
  }
}

function faultOf(what: ErrorName | TransportFault | UpstreamError | RawAnswer, options: FaultOptions): Fault {
  if (what === 'refuse') return { kind: what };
  if (what === 'hang') return { kind: what, inStreamAfterChunks: options.inStreamAfterChunks ?? null };
  if (what === 'reset') return { kind: 'reset', afterBytes: options.afterBytes ?? null };
  if (typeof what === 'object' && 'chunks' in what) return { kind: 'raw', answer: what };
  const error = typeof what === 'string' ? ERRORS[what] : what;
  if (error === undefined) throw new Error(`the simulator knows no fault named ${String(what)}`);
  return { kind: 'error', error, inStreamAfterChunks: options.inStreamAfterChunks ?? null };
}

/**
 * Where a fault strikes unless told: a refused key everywhere; what a key may not do (quota, rate, ban, request errors)
 * on the routes that do work, so that `/usages`, `/me` and `/models` answer on, as measured
 * (docs/kimi-api.md#user-agent-gate); an outage (5xx, a broken connection) and raw answers on all but `/usages` and `/me`.
 */
function routesOf(fault: Fault): readonly Route[] {
  if (fault.kind !== 'error') return FORWARDED_ROUTES;
  if (fault.error === ERRORS.invalid_key || fault.error === ERRORS.invalid_authentication) return ALL_ROUTES;
  return fault.error.status >= 500 ? FORWARDED_ROUTES : WORK_ROUTES;
}
