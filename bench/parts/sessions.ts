import { setTimeout as delay } from 'node:timers/promises';
import autocannon from 'autocannon';
import { STRATEGIES, type Strategy } from '../../src/core/choosing/strategy.ts';
import type { Run } from '../run.ts';
import { type Row, rssOf } from '../sampling.ts';
import { KMI, type Subject, startSubject } from '../subjects/start.ts';

const CONNECTIONS = 16;
/** The proxy is left alone for so long before its memory is read. */
const REST_MS = 3_000;

/** Memory is read when each of these numbers of sessions has been seen. */
const COUNTS = [100, 10_000, 100_000];
const MORE_COUNTS = [200_000, 300_000];

/**
 * What sessions leave in the proxy's memory: every request is of a session never seen before. Round-robin, which keeps no
 * sessions, shows what so many requests leave behind anyway.
 */
export async function benchSessions({ upstream, isShort, print }: Run): Promise<void> {
  const counts = isShort ? COUNTS : [...COUNTS, ...MORE_COUNTS];
  const rows: Row[] = [];
  for (const strategy of STRATEGIES) rows.push(await memoryOf(strategy, upstream, counts));
  print('Resident memory in MB after so many sessions, one request each', rows);
}

async function memoryOf(strategy: Strategy, upstream: string, counts: readonly number[]): Promise<Row> {
  const subject = await startSubject(KMI, upstream, { settings: { KMI_ROTATE_STRATEGY: strategy } });
  const row: Row = { strategy };
  try {
    let seen = 0;
    let failed = 0;
    for (const count of counts) {
      failed += await sendSessions(subject, seen, count);
      seen = count;
      await delay(REST_MS);
      row[`after ${count.toLocaleString('en')}`] = Math.round(rssOf(subject));
      row.failed = failed;
      console.error(`  ${JSON.stringify(row)}`);
    }
  } finally {
    await subject.stop();
  }
  return row;
}

/** How many requests failed. */
async function sendSessions(subject: Subject, from: number, to: number): Promise<number> {
  let next = from;
  const result = await autocannon({
    url: subject.origin + subject.path,
    connections: CONNECTIONS,
    // Virtual machines have been seen to stand still for half a minute.
    timeout: 120,
    amount: to - from,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        setupRequest: (request) => {
          next += 1;
          return { ...request, body: chatOf(next) };
        },
      },
    ],
  });
  return result.errors + result.non2xx;
}

function chatOf(session: number): string {
  const messages = [{ role: 'user', content: `Task ${session}` }];
  return JSON.stringify({ model: 'kimi-for-coding', messages, prompt_cache_key: `session_5c0a4f2f-9df5-6a2f-${session}` });
}
