import type { TokenUsage } from '../core/tokens/token-usage.ts';
import type { Counted } from '../core/tokens/usage-row.ts';

/** Requests and tokens, added up in place. */
export class Sum {
  requests = 0;
  input = 0;
  cached = 0;
  output = 0;
  reasoning = 0;

  add(requests: number, { input, cached, output, reasoning }: TokenUsage): void {
    this.requests += requests;
    this.input += input;
    this.cached += cached;
    this.output += output;
    this.reasoning += reasoning;
  }

  /** Adds the other and leaves nothing in it. */
  takeFrom(other: Sum): void {
    this.add(other.requests, other);
    other.clear();
  }

  clear(): void {
    this.requests = 0;
    this.input = 0;
    this.cached = 0;
    this.output = 0;
    this.reasoning = 0;
  }

  counted(): Counted {
    const { requests, input, cached, output, reasoning } = this;
    return { requests, tokens: { input, cached, output, reasoning } };
  }
}
