import { Agent, request } from 'node:http';
import type { Subject } from './subjects/start.ts';

/** What many streams at once measured. Times in ms. */
export type StreamResult = {
  /** From sending to the first byte of the answer. */
  readonly firstByteMs: readonly number[];
  /** From the upstream's write of a chunk to its arrival. */
  readonly latenessMs: readonly number[];
  readonly completed: number;
  readonly failed: number;
};

/** Opens `count` streams within `rampMs` and reads them to their ends. */
export async function runStreams(subject: Subject, count: number, body: string, rampMs: number): Promise<StreamResult> {
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const firstByteMs: number[] = [];
  const latenessMs: number[] = [];
  let completed = 0;
  let failed = 0;
  const one = async (n: number) => {
    await new Promise((resolve) => setTimeout(resolve, (rampMs * n) / count));
    if (await readStream(subject, agent, body, firstByteMs, latenessMs)) completed += 1;
    else failed += 1;
  };
  await Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  agent.destroy();
  return { firstByteMs, latenessMs, completed, failed };
}

function readStream(subject: Subject, agent: Agent, body: string, firstByteMs: number[], latenessMs: number[]): Promise<boolean> {
  const { hostname, port } = new URL(subject.origin);
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      authorization: 'Bearer bench',
    };
    const call = request({ agent, hostname, port, method: 'POST', path: `${subject.path}/stream`, headers }, (response) => {
      let isFirst = true;
      let ended = false;
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        if (isFirst) firstByteMs.push(performance.now() - startedAt);
        isFirst = false;
        if (chunk.includes('[DONE]')) ended = true;
        for (const [, sentAt] of chunk.matchAll(/data: (\d+) /g)) latenessMs.push(Date.now() - Number(sentAt));
      });
      response.on('close', () => resolve(response.complete && ended));
    });
    call.on('error', () => resolve(false));
    call.end(body);
  });
}
