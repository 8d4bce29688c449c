import { STRATEGIES, type Strategy } from '../src/core/strategy.ts';
import { agentBody, NAMINGS } from './agent-body.ts';
import { loadOnce, type Row, rotate, round, type Sample } from './sampling.ts';
import { median, spread } from './statistics.ts';
import { startSubject } from './subjects/start.ts';

const BYTES = 88 * 1024;
const CONNECTIONS = 16;
/** Sessions at work, more than there are connections, so that every request is of another one than the last. */
const SESSIONS = 64;
const WARM_UP_SECONDS = 3;

export type StrategiesOptions = {
  readonly upstream: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly print: (title: string, rows: Row[]) => void;
};

/**
 * What a strategy costs per request: proxies that differ in nothing else, loaded in turn. Each pass starts new ones,
 * because a process, once warm, keeps to one of two courses: its bodies die young, or they reach the old generation and
 * every few hundred requests cost a full collection, half as much again. Which one, chance decides at its beginning.
 */
export async function benchStrategies({ upstream, rounds, seconds, print }: StrategiesOptions): Promise<void> {
  for (const naming of NAMINGS) {
    const bodies = Array.from({ length: SESSIONS }, (_, session) => agentBody(BYTES, naming, session));
    const samples = new Map<Strategy, Sample[]>(STRATEGIES.map((strategy) => [strategy, []]));
    for (let pass = 0; pass < rounds; pass++) {
      for (const strategy of rotate(STRATEGIES, pass)) {
        const subject = await startSubject('kmi', upstream, { settings: { KMI_ROTATE_STRATEGY: strategy } });
        try {
          await loadOnce(subject, bodies, CONNECTIONS, WARM_UP_SECONDS);
          samples.get(strategy)?.push(await loadOnce(subject, bodies, CONNECTIONS, seconds));
        } finally {
          await subject.stop();
        }
      }
    }
    print(`Strategies: session by ${naming}, 88 KB body, ${CONNECTIONS} connections`, rowsOf(samples));
  }
}

function rowsOf(samples: ReadonlyMap<Strategy, readonly Sample[]>): Row[] {
  const cpuOf = (strategy: Strategy) => (samples.get(strategy) ?? []).map(({ cpuUsPerRequest }) => cpuUsPerRequest);
  const base = cpuOf('round-robin');
  return [...samples].map(([strategy, list]) => {
    const cpu = cpuOf(strategy);
    return {
      strategy,
      // The least of each is the same course with the least disturbance; the medians say what to expect.
      'least cpu vs round-robin': round(Math.min(...cpu) / Math.min(...base)),
      'median vs round-robin': round(median(cpu) / median(base)),
      'least us/req': round(Math.min(...cpu)),
      'median us/req': round(median(cpu)),
      '±': round(spread(cpu)),
      rps: Math.round(median(list.map(({ rps }) => rps))),
      'p99 ms': round(median(list.map(({ p99 }) => p99))),
      errors: list.reduce((total, { errors }) => total + errors, 0),
    };
  });
}
