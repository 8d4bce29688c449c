import { STRATEGIES, type Strategy } from '../src/core/strategy.ts';
import { agentBody, NAMINGS } from './agent-body.ts';
import { loadOnce, type Row, rotate, round, type Sample } from './sampling.ts';
import { median, spread } from './statistics.ts';
import { type Subject, startSubject } from './subjects/start.ts';

const BYTES = 88 * 1024;
const CONNECTIONS = 16;
/** Sessions at work, more than there are connections, so that every request is of another one than the last. */
const SESSIONS = 64;

export type StrategiesOptions = {
  readonly upstream: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly print: (title: string, rows: Row[]) => void;
};

/** What a strategy costs per request: three proxies that differ in nothing else, loaded in turn. */
export async function benchStrategies({ upstream, rounds, seconds, print }: StrategiesOptions): Promise<void> {
  const running: [Strategy, Subject][] = [];
  try {
    for (const strategy of STRATEGIES) {
      running.push([strategy, await startSubject('kmi', upstream, { settings: { KMI_ROTATE_STRATEGY: strategy } })]);
    }
    for (const naming of NAMINGS) {
      const bodies = Array.from({ length: SESSIONS }, (_, session) => agentBody(BYTES, naming, session));
      const samples = new Map<Strategy, Sample[]>(STRATEGIES.map((strategy) => [strategy, []]));
      for (let pass = 0; pass <= rounds; pass++) {
        for (const [strategy, subject] of rotate(running, pass)) {
          const sample = await loadOnce(subject, bodies, CONNECTIONS, pass === 0 ? 1 : seconds);
          // The first pass warms up.
          if (pass > 0) samples.get(strategy)?.push(sample);
        }
      }
      print(`Strategies: session by ${naming}, 88 KB body, ${CONNECTIONS} connections`, rowsOf(samples));
    }
  } finally {
    for (const [, subject] of running) await subject.stop();
  }
}

function rowsOf(samples: ReadonlyMap<Strategy, readonly Sample[]>): Row[] {
  const base = samples.get('round-robin') ?? [];
  return [...samples].map(([strategy, list]) => {
    // Round by round, so that a machine that slows down slows both.
    const ratios = list.map(({ cpuUsPerRequest }, n) => cpuUsPerRequest / (base[n]?.cpuUsPerRequest ?? Number.NaN));
    return {
      strategy,
      'cpu vs round-robin': round(median(ratios)),
      '±': round(spread(ratios)),
      'cpu us/req': round(median(list.map(({ cpuUsPerRequest }) => cpuUsPerRequest))),
      rps: Math.round(median(list.map(({ rps }) => rps))),
      'p50 ms': round(median(list.map(({ p50 }) => p50))),
      'p99 ms': round(median(list.map(({ p99 }) => p99))),
      errors: list.reduce((total, { errors }) => total + errors, 0),
    };
  });
}
