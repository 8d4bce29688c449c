import type { Key } from '../core/keys/key.ts';
import { identityOf } from './health-cache.ts';
import type { FetchedHealth } from './usage-client.ts';

export type Flights = {
  /** The call for this key that is under way, else a new one. */
  readonly join: (key: Key) => Promise<FetchedHealth>;
  readonly abort: (label: string) => void;
  /** Aborts every call; those that begin later are aborted from the start. */
  readonly stop: () => void;
};

type Flight = { readonly identity: string; readonly answer: Promise<FetchedHealth>; readonly abort: AbortController };

/** One call a key at a time. Each has a signal of its own: Node warns about one signal with many listeners. */
export function createSingleFlight(ask: (key: Key, signal: AbortSignal) => Promise<FetchedHealth>): Flights {
  const flights = new Map<string, Flight>();
  let isStopped = false;

  return {
    join: (key) => {
      const identity = identityOf(key);
      const running = flights.get(key.label);
      if (running?.identity === identity) return running.answer;
      const abort = new AbortController();
      if (isStopped) abort.abort();
      const answer = ask(key, abort.signal).finally(() => {
        if (flights.get(key.label)?.answer === answer) flights.delete(key.label);
      });
      flights.set(key.label, { identity, answer, abort });
      return answer;
    },
    abort: (label) => {
      flights.get(label)?.abort.abort();
      // The label is free for the key that takes the place.
      flights.delete(label);
    },
    stop: () => {
      isStopped = true;
      for (const { abort } of flights.values()) abort.abort();
    },
  };
}
