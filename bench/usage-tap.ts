import { gzipSync } from 'node:zlib';
import { readFlags } from '../scripts/flags.ts';
import { createUsageTap } from '../src/proxy/record/usage-tap.ts';
import { median } from './statistics.ts';

/**
 * What reading token usage from an answer costs as it passes, in microseconds for a chunk of 1 KB, and for what is left to
 * do when it has ended: the median of rounds.
 */

const flags = readFlags(
  `Usage: npx tsx bench/usage-tap.ts [flags]

Measures what reading token usage from an answer costs.

  --json   print the figures as data
  --help   print this`,
  { json: 'boolean' },
);

const ROUNDS = 15;
const ANSWERS = 200;
const CHUNKS = 100;
const CHUNK_BYTES = 1024;

const usage = { prompt_tokens: 22_000, completion_tokens: 900, total_tokens: 22_900, cached_tokens: 21_000 };

/** An event of about 1 KB. */
function event(fields: object, text: string): Buffer {
  const choices = [{ index: 0, delta: { content: text }, finish_reason: null }];
  return Buffer.from(
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'k3', choices, ...fields })}\n\n`,
  );
}

const text = 'const total = usage.reduce((sum, { "tokens": n }) => sum + n, 0); // Größe\n'.repeat(11).slice(0, 800);
const deltas = (fields: object) => Array.from({ length: CHUNKS }, () => event(fields, text));
const last = event({ choices: [], usage }, '');
const json = Buffer.from(JSON.stringify({ id: 'c', model: 'k3', choices: [{ message: { content: text.repeat(110) } }], usage }));
const gzip = gzipSync(Buffer.concat([...deltas({}), last]));

const CASES = {
  'event stream': { type: 'text/event-stream', encoding: undefined, chunks: [...deltas({}), last] },
  'event stream, usage null in each event': {
    type: 'text/event-stream',
    encoding: undefined,
    chunks: [...deltas({ usage: null }), last],
  },
  'event stream, usage in each event': { type: 'text/event-stream', encoding: undefined, chunks: deltas({ usage }) },
  'JSON answer of 100 KB': { type: 'application/json', encoding: undefined, chunks: cut(json) },
  'JSON answer of 8 KB': {
    type: 'application/json',
    encoding: undefined,
    chunks: cut(Buffer.from(JSON.stringify({ model: 'k3', choices: text.repeat(9), usage }))),
  },
  'event stream, gzip': { type: 'text/event-stream', encoding: 'gzip', chunks: cut(gzip) },
} as const;

const rows: { case: string; chunks: number; 'us a chunk': number; 'us at the end': number }[] = [];
for (const [name, { type, encoding, chunks }] of Object.entries(CASES)) {
  const taking: number[] = [];
  const ending: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let takeMs = 0;
    let endMs = 0;
    for (let n = 0; n < ANSWERS; n++) {
      const start = performance.now();
      const tap = createUsageTap(type, encoding, 'openai');
      if (tap === null) throw new Error('no tap');
      for (const chunk of chunks) tap.take(chunk);
      const taken = performance.now();
      const read = await tap.end();
      endMs += performance.now() - taken;
      takeMs += taken - start;
      if (read.usage?.input !== usage.prompt_tokens) throw new Error(`${name}: the usage was not read`);
    }
    taking.push((takeMs * 1000) / ANSWERS / chunks.length);
    ending.push((endMs * 1000) / ANSWERS);
  }
  rows.push({
    case: name,
    chunks: chunks.length,
    'us a chunk': rounded(median(taking)),
    'us at the end': rounded(median(ending)),
  });
}

if (flags.json === true) console.log(JSON.stringify({ rows }));
else console.table(rows);

function cut(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, n) =>
    bytes.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES),
  );
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
