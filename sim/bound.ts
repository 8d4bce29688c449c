import { HOUR_MS, MARGIN_WEEKS, type SimRequest, WEEK_MS } from './demand.ts';
import type { Beginning } from './upstream.ts';

const BUCKET_MS = HOUR_MS;
const FIVE_HOURS = 5;
const WEEK = WEEK_MS / BUCKET_MS;

export type BoundInput = {
  readonly scenario: { readonly weeks: number };
  readonly requests: readonly SimRequest[];
  readonly idealUnits: readonly number[];
  readonly weekly: number;
  readonly fiveHour: number;
  readonly beginnings: readonly Beginning[];
};

/**
 * An upper bound of what any choice of accounts can serve, all requests known beforehand, in units at ideal price.
 *
 * Let S(t) be what was served until hour t. Then 0 <= S(j) - S(i) <= demand in [i, j), and for every stretch [i, j) also
 * <= the sum over the accounts of the least of what their 5-hour windows and their weekly windows can give that touch it.
 * Every possible course obeys these, so the largest S(end) that obeys them is an upper bound. They are difference
 * constraints: the largest S(end) is the shortest path from 0 to the end, found here by Dijkstra.
 */
export function boundOf(input: BoundInput): number {
  const start = (MARGIN_WEEKS * WEEK_MS) / BUCKET_MS;
  const hours = start + (input.scenario.weeks * WEEK_MS) / BUCKET_MS;
  const demand = new Float64Array(hours);
  for (const [n, { at }] of input.requests.entries()) {
    const hour = Math.floor(at / BUCKET_MS);
    if (hour >= hours) break;
    demand[hour] = (demand[hour] as number) + (input.idealUnits[n] as number);
  }
  const distance = new Float64Array(hours + 1).fill(Number.POSITIVE_INFINITY);
  const isDone = new Uint8Array(hours + 1);
  distance[start] = 0;
  for (;;) {
    let at = -1;
    for (let hour = 0; hour <= hours; hour++) {
      if (isDone[hour] === 0 && (at === -1 || (distance[hour] as number) < (distance[at] as number))) at = hour;
    }
    const sofar = distance[at] as number;
    if (at === hours) return sofar;
    isDone[at] = 1;
    if (at > 0 && sofar < (distance[at - 1] as number)) distance[at - 1] = sofar;
    distance[at + 1] = Math.min(distance[at + 1] as number, sofar + (demand[at] as number));
    for (let to = at + 1; to <= hours; to++) {
      const reach = sofar + capacity(input, at, to);
      if (reach < (distance[to] as number)) distance[to] = reach;
    }
  }
}

function capacity(input: BoundInput, from: number, to: number): number {
  const { beginnings, weekly, fiveHour } = input;
  const shortWindows = Math.min(Math.ceil((to - from) / FIVE_HOURS) + 1, Math.ceil(to / FIVE_HOURS));
  let sum = 0;
  for (const { used, resetsAt } of beginnings) {
    const reset = resetsAt / BUCKET_MS;
    const sinceReset = Math.max(0, Math.ceil((to - reset) / WEEK));
    const touching = from >= reset ? Math.min(Math.ceil((to - from) / WEEK) + 1, sinceReset) : sinceReset;
    const ofWeeks = (from < reset ? weekly - used : 0) + touching * weekly;
    sum += Math.min(ofWeeks, shortWindows * fiveHour);
  }
  return sum;
}
