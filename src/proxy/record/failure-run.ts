import { FAILS, type Failure, type FailureRun } from '../../core/verdicts/upstream-failure.ts';
import { ClientLeft } from '../http/interruptions.ts';
import type { ExchangeResult } from './exchange-result.ts';

/** Counts how many requests in a row the upstream has failed. Told of each once its answer has gone. */
export class FailureCounter {
  #run: FailureRun | null = null;

  /** Null while the newest request that the upstream was asked for did not fail there. */
  get run(): FailureRun | null {
    return this.#run;
  }

  /** `at`: when the request ended; epoch ms. */
  note({ entry, end }: Pick<ExchangeResult, 'entry' | 'end'>, at: number): void {
    const failure = failureOf(end);
    if (failure === undefined) return;
    if (failure === null || entry === null) this.#run = null;
    else {
      const { requests, since } = this.#run ?? { requests: 0, since: at };
      this.#run = { requests: requests + 1, failure, host: new URL(entry.key.baseUrl).host, since };
    }
  }
}

/** Null: the upstream worked; undefined: the request says nothing of it. */
function failureOf(end: ExchangeResult['end']): Failure | null | undefined {
  switch (end.kind) {
    case 'served':
      if (end.brokenBy === null) return null;
      return end.brokenBy instanceof ClientLeft ? undefined : 'broken-off';
    case 'relay':
      return FAILS[end.verdict] ? end.upstreamStatus : null;
    case 'unreachable':
      if (end.error.code === 'upstream_timeout') return 'silent';
      return end.error.code === 'upstream_unreachable' ? 'unreachable' : undefined;
    case 'no-key':
    case 'left':
      return undefined;
  }
}
