import type { IncomingHttpHeaders } from 'node:http';
import type { Stated } from './stated.ts';

/** What the simulator remembers of a request. Entries appear when the headers have arrived and fill up as it goes on. */
export type ReceivedRequest = {
  readonly method: string;
  /** As on the request line. */
  readonly url: string;
  /** Without the query. */
  readonly path: string;
  /** Without the `?`, undecoded; '' when there is none. */
  readonly query: string;
  /** Flat list, names as sent. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  /** Empty until complete; what had arrived when the client left while sending. */
  body: Buffer;
  /** The account its key belongs to; null for an unknown key. */
  readonly account: string | null;
  readonly key: string | null;
  /** Epoch ms by the simulator's clock. */
  readonly startedAt: number;
  endedAt: number | null;
  /** Status sent; null before the headers have left. */
  status: number | null;
  /** The client closed the connection before the answer's end. */
  aborted: boolean;
  /** What the answer stated of its tokens, as far as the bytes left; null when it stated nothing. */
  stated: Stated | null;
};

/** The list of requests, and who waits for it to change. */
export class RequestRecord {
  readonly received: ReceivedRequest[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #describeOthers: () => readonly string[];

  /** `describeOthers`: a line for each request that is kept elsewhere, for the message of a wait that failed. */
  constructor(describeOthers: () => readonly string[]) {
    this.#describeOthers = describeOthers;
  }

  /** Something changed: a request came, its body is complete, or it ended; a connection opened or closed. */
  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves as soon as the predicate holds; rejects with what was seen when `timeoutMs` have passed. */
  waitFor(predicate: (requests: readonly ReceivedRequest[]) => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(check);
        outcome();
      };
      const check = () => {
        try {
          if (predicate(this.received)) settle(resolve);
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = setTimeout(() => settle(() => reject(new Error(this.#describe(timeoutMs)))), timeoutMs);
      this.#watchers.add(check);
      check();
    });
  }

  #describe(timeoutMs: number): string {
    const own = this.received.map(({ method, path, account, status, aborted }) => {
      return `${method} ${path} by ${account ?? 'nobody'}: ${status ?? 'no answer'}${aborted ? ', aborted' : ''}`;
    });
    const lines = [...own, ...this.#describeOthers()];
    return `the simulator did not see what was waited for within ${timeoutMs} ms; it received ${lines.length} requests\n${lines.join('\n')}`;
  }
}
