import { setTimeout as sleep } from 'node:timers/promises';
import { STRATEGIES, type Strategy } from '../../src/core/choosing/strategy.ts';
import { agentBody, NAMINGS } from '../agent-body.ts';
import type { Run } from '../run.ts';
import { loadOnce, type Row, rotate, round, type Sample } from '../sampling.ts';
import { median, spread } from '../statistics.ts';
import { KMI, type KmiSubject, startKmi } from '../subjects/start.ts';

const BYTES = 88 * 1024;
const CONNECTIONS = 16;
/** Sessions at work, more than there are connections, so that every request is of another one than the last. */
const SESSIONS = 64;
const WARM_UP_SECONDS = 2;
/** A running proxy follows a command within a second. */
const FOLLOWS_MS = 1_200;
const PROCESSES = 2;

/** One sample of each strategy, taken one after another in one process. */
type Round = ReadonlyMap<Strategy, Sample>;

/**
 * What a strategy costs per request: one proxy that is told to change its strategy, so that chance in the course of a
 * process (how large its heap's young part grows, how often all is collected) is the same for all. Ratios are those within a round.
 */
export async function benchStrategies({ upstream, rounds, seconds, print }: Run): Promise<void> {
  for (const naming of NAMINGS) {
    const bodies = Array.from({ length: SESSIONS }, (_, session) => agentBody(BYTES, naming, session));
    const taken: Round[] = [];
    for (let process = 0; process < PROCESSES; process++) {
      const subject = await startKmi(KMI, upstream);
      try {
        for (const strategy of STRATEGIES) await loadWith(subject, strategy, bodies, WARM_UP_SECONDS);
        for (let n = 0; n < rounds; n++) {
          const round = new Map<Strategy, Sample>();
          for (const strategy of rotate(STRATEGIES, n)) round.set(strategy, await loadWith(subject, strategy, bodies, seconds));
          taken.push(round);
        }
      } finally {
        await subject.stop();
      }
    }
    print(`Strategies: session by ${naming}, 88 KB body, ${CONNECTIONS} connections`, rowsOf(taken));
  }
}

async function loadWith(subject: KmiSubject, strategy: Strategy, bodies: readonly string[], seconds: number): Promise<Sample> {
  subject.command('rotate', 'auto', '--strategy', strategy);
  await sleep(FOLLOWS_MS);
  return loadOnce(subject, bodies, CONNECTIONS, seconds);
}

function rowsOf(taken: readonly Round[]): Row[] {
  const cpu = (round: Round, strategy: Strategy) => (round.get(strategy) as Sample).cpuUsPerRequest;
  return STRATEGIES.map((strategy) => {
    const ratios = taken.map((round) => cpu(round, strategy) / cpu(round, 'round-robin'));
    const samples = taken.map((round) => round.get(strategy) as Sample);
    return {
      strategy,
      'cpu vs round-robin': round(median(ratios)),
      '±': round(spread(ratios)),
      'cpu us/req': round(median(samples.map(({ cpuUsPerRequest }) => cpuUsPerRequest))),
      rps: Math.round(median(samples.map(({ rps }) => rps))),
      'p99 ms': round(median(samples.map(({ p99 }) => p99))),
      errors: samples.reduce((total, { errors }) => total + errors, 0),
    };
  });
}
