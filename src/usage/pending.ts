import type { TokenUsage } from '../core/token-usage.ts';
import { OTHER, type RowNames, rowId, type UsageRow } from '../core/usage-row.ts';

type Sum = RowNames & { requests: number; input: number; cached: number; output: number; reasoning: number };

const RECENT_MAX = 8;

/** Rows that wait for the disk. Full, it counts new sessions together, so that a disk that refuses costs bounded memory. */
export class PendingUsage {
  readonly #maxRows: number;
  #sums = new Map<string, Sum>();
  /** The sums that were added to last: a name that comes again is mostly found here, and none is put together. */
  #recent: Sum[] = [];
  #oldestRecent = 0;

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  get size(): number {
    return this.#sums.size;
  }

  add(names: RowNames, requests: number, { input, cached, output, reasoning }: TokenUsage): void {
    const sum = this.#sumOf(names);
    sum.requests += requests;
    sum.input += input;
    sum.cached += cached;
    sum.output += output;
    sum.reasoning += reasoning;
  }

  #sumOf(names: RowNames): Sum {
    for (const sum of this.#recent) if (isSumOf(sum, names)) return sum;
    const sum = this.#findOrMake(names);
    this.#recent[this.#oldestRecent] = sum;
    this.#oldestRecent = (this.#oldestRecent + 1) % RECENT_MAX;
    return sum;
  }

  #findOrMake(names: RowNames): Sum {
    const id = rowId(names);
    const known = this.#sums.get(id);
    if (known !== undefined) return known;
    if (this.#sums.size >= this.#maxRows && names.session !== OTHER) {
      // Beyond the bound only days, keys and accounts make new rows.
      return this.#findOrMake({ ...names, model: OTHER, session: OTHER });
    }
    const { day, key, account, model, session } = names;
    const sum = { day, key, account, model, session, requests: 0, input: 0, cached: 0, output: 0, reasoning: 0 };
    this.#sums.set(id, sum);
    return sum;
  }

  /** Takes all rows out. */
  take(): UsageRow[] {
    const rows = [...this.#sums.values()].map(
      ({ requests, input, cached, output, reasoning, ...names }): UsageRow => ({
        ...names,
        requests,
        tokens: { input, cached, output, reasoning },
      }),
    );
    this.#sums = new Map();
    this.#recent = [];
    this.#oldestRecent = 0;
    return rows;
  }
}

function isSumOf(sum: Sum, { day, key, account, model, session }: RowNames): boolean {
  return sum.session === session && sum.key === key && sum.model === model && sum.account === account && sum.day === day;
}
