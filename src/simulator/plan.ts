import type { IncomingHttpHeaders } from 'node:http';

export type PlanOptions = {
  /** Requests it strikes before it is over; default: until the plan is cleared. */
  times?: number;
  /** Share of the requests it strikes, 0 to 1; default 1. */
  probability?: number;
  /** Which requests it strikes, by their headers; default all. */
  when?: (headers: IncomingHttpHeaders) => boolean;
  /** Source of randomness for `probability`. */
  random?: () => number;
};

type Planned<Fault, Place> = {
  fault: Fault;
  left: number;
  probability: number;
  random: () => number;
  when: (headers: IncomingHttpHeaders) => boolean;
  on: ReadonlySet<Place>;
};

/** What is to go wrong, and where: the first planned fault that applies strikes. */
export class Plan<Fault, Place> {
  #planned: Planned<Fault, Place>[] = [];

  add(fault: Fault, on: readonly Place[], options: PlanOptions): void {
    this.#planned.push({
      fault,
      left: options.times ?? Number.POSITIVE_INFINITY,
      probability: options.probability ?? 1,
      random: options.random ?? Math.random,
      when: options.when ?? (() => true),
      on: new Set(on),
    });
  }

  clear(): void {
    this.#planned = [];
  }

  /** The fault that strikes this request, or null. */
  draw(place: Place, headers: IncomingHttpHeaders): Fault | null {
    if (this.#planned.length === 0) return null;
    for (const planned of this.#planned) {
      if (!planned.on.has(place) || !planned.when(headers)) continue;
      if (planned.probability < 1 && planned.random() >= planned.probability) continue;
      planned.left -= 1;
      if (planned.left <= 0) this.#planned = this.#planned.filter((other) => other !== planned);
      return planned.fault;
    }
    return null;
  }
}
