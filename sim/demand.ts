import { Random } from './random.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const WEEK_MS = 7 * DAY_MS;
/** Simulated before and after the weeks that are measured. */
export const MARGIN_WEEKS = 1;

/** One request of a session. Its context is planned beforehand, so that every strategy meets the same demand. */
export type SimRequest = {
  /** ms from the beginning, which is a Monday 00:00. */
  readonly at: number;
  /** 1 and up. */
  readonly session: number;
  /** Counts the compactions of the session: after one the prompt is another, and what was cached is of no use. */
  readonly epoch: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
};

export type DemandOptions = {
  readonly seed: number;
  readonly weeks: number;
  readonly sessionsPerWeek: number;
  /** Sigma of a log-normal factor of each week's number of sessions. */
  readonly unevenness: number;
};

/** Sessions begun by hour of the day, relative: a team in one time zone, with a lunch break and some night owls. */
const HOURS = [1, 0.5, 0.3, 0.2, 0.2, 0.4, 1, 3, 7, 10, 11, 10, 7, 8, 10, 11, 10, 8, 5, 4, 4, 4, 3, 2];
/** By day of the week, from Monday. */
const DAYS = [1, 1.05, 1.05, 1, 0.9, 0.3, 0.3];
const BUSIEST = Math.max(...HOURS) * Math.max(...DAYS);

/** Requests of a session: most are short, a few run for hundreds. */
const REQUESTS = { median: 16, sigma: 1.1, max: 400 };
/** Seconds between the steps of an agent at work, and minutes a person thinks; one gap in six is a person's. */
const STEP = { median: 18_000, sigma: 0.7 };
const THINK = { median: 3 * MINUTE_MS, sigma: 1.2, share: 1 / 6, max: 10 * HOUR_MS };
/** Tokens: system prompt and tools, growth per request, the size at which a client compacts, what is left then. */
const CONTEXT = { first: 14_000, sigma: 0.4, growth: 1_300, growthSigma: 0.9, compactAt: 170_000, compacted: 24_000 };
const OUTPUT = { median: 350, sigma: 0.9, max: 16_000 };

/** All requests of all sessions, in the order of time. */
export function makeDemand({ seed, weeks, sessionsPerWeek, unevenness }: DemandOptions): readonly SimRequest[] {
  const random = new Random(seed);
  const endAt = weeks * WEEK_MS;
  const requests: SimRequest[] = [];
  let session = 0;
  for (let week = 0; week < weeks; week++) {
    const count = Math.round(sessionsPerWeek * (unevenness === 0 ? 1 : random.logNormal(1, unevenness)));
    for (let n = 0; n < count; n++) {
      session += 1;
      addSession(requests, session, week * WEEK_MS + beginning(random), endAt, random);
    }
  }
  return requests.sort((a, b) => a.at - b.at || a.session - b.session);
}

/** ms into a week, drawn by rejection from the week's curve. */
function beginning(random: Random): number {
  for (;;) {
    const at = random.next() * WEEK_MS;
    const weight = (HOURS[Math.floor((at % DAY_MS) / HOUR_MS)] as number) * (DAYS[Math.floor(at / DAY_MS)] as number);
    if (random.next() * BUSIEST < weight) return at;
  }
}

function addSession(requests: SimRequest[], session: number, begins: number, endAt: number, random: Random): void {
  const count = Math.min(REQUESTS.max, Math.max(1, Math.round(random.logNormal(REQUESTS.median, REQUESTS.sigma))));
  let at = begins;
  let context = random.logNormal(CONTEXT.first, CONTEXT.sigma);
  let epoch = 0;
  for (let n = 0; n < count && at < endAt; n++) {
    const outputTokens = Math.round(Math.min(OUTPUT.max, random.logNormal(OUTPUT.median, OUTPUT.sigma)));
    requests.push({ at: Math.floor(at), session, epoch, inputTokens: Math.round(context), outputTokens });
    context += outputTokens + random.logNormal(CONTEXT.growth, CONTEXT.growthSigma);
    if (context > CONTEXT.compactAt) {
      context = CONTEXT.compacted;
      epoch += 1;
    }
    const isThought = random.next() < THINK.share;
    at += isThought
      ? Math.min(THINK.max, random.logNormal(THINK.median, THINK.sigma))
      : random.logNormal(STEP.median, STEP.sigma);
  }
}
