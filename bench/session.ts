import { readFlags } from '../scripts/flags.ts';
import { KnownPlaces } from '../src/core/json/top-level-member.ts';
import { findFileAccount } from '../src/core/sessions/file-references.ts';
import { findSession } from '../src/core/sessions/session.ts';
import { headerOf } from '../src/core/text/raw-headers.ts';
import { median } from './statistics.ts';

/**
 * What finding a request's session costs on a body of 88 KB in two chunks, in microseconds: the median of rounds, for
 * clients that name their session in different places.
 */

const { json } = readFlags(
  `Usage: npm run bench:session -- [flags]

Measures what finding the session of a request costs.

  --json   print the figures as data
  --help   print this`,
  { json: 'boolean' },
);

const ROUNDS = 15;
const CALLS = 2_000;

const system = 'You are an agent. Use "tools" with care; write_file and run_command are yours.\n'.repeat(90);
const messages = Array.from({ length: 56 }, (_, n) => ({
  role: n % 2 === 0 ? 'user' : 'assistant',
  content: `${n}: const prompt_line = read_file("src/app_${n}.ts"); // see "metadata"\n`.repeat(17),
}));
const tools = Array.from({ length: 24 }, (_, n) => ({
  type: 'function',
  function: {
    name: `tool_${n}`,
    description: 'Does one thing well. '.repeat(12),
    parameters: { type: 'object', properties: {} },
  },
}));
const chat = [{ role: 'system', content: system }, ...messages];
const key = '5b0c6a2e-62c1-4f2f-9df5-6a2f0e7b1c11';
const user = `user_${'a'.repeat(64)}_account_${key}_session_${key}`;

const FLAT = [
  'Host',
  'x',
  'Content-Type',
  'application/json',
  'User-Agent',
  'client/1.0',
  'Accept',
  '*/*',
  'Authorization',
  'Bearer x',
];
const CASES: Readonly<Record<string, { readonly headers: readonly string[]; readonly body: unknown }>> = {
  'header x-claude-code-session-id': { headers: [...FLAT, 'X-Claude-Code-Session-Id', key], body: { messages: chat, tools } },
  'header x-session-affinity': { headers: [...FLAT, 'X-Session-Affinity', key], body: { messages: chat, tools } },
  'prompt_cache_key first': { headers: FLAT, body: { model: 'k', prompt_cache_key: key, messages: chat, tools } },
  'prompt_cache_key last': { headers: FLAT, body: { model: 'k', messages: chat, tools, stream: true, prompt_cache_key: key } },
  'prompt_cache_key before tools': {
    headers: FLAT,
    body: { messages: chat, model: 'k', prompt_cache_key: key, stream: true, tools },
  },
  'metadata.user_id last': {
    headers: FLAT,
    body: { model: 'k', messages: chat, system, tools, metadata: { user_id: user }, stream: true },
  },
  'no session named': { headers: FLAT, body: { model: 'k', messages: chat, tools, stream: true } },
};

const rows = Object.entries(CASES).map(([name, { headers, body }]) => {
  const bytes = Buffer.from(JSON.stringify(body));
  const chunks = [bytes.subarray(0, 65_536), bytes.subarray(65_536)];
  const places = new KnownPlaces();
  const source = findSession((name) => headerOf(headers, name), chunks, places)?.source ?? 'none';
  return {
    case: name,
    kb: Math.round(bytes.length / 1024),
    source,
    us: microseconds(() => findSession((name) => headerOf(headers, name), chunks, places)),
  };
});
// A client's first request, before its place is known: what every further one is spared.
const unseen = Buffer.from(JSON.stringify(CASES['prompt_cache_key before tools']?.body));
const cut = [unseen.subarray(0, 65_536), unseen.subarray(65_536)];
rows.push({
  case: 'prompt_cache_key before tools, first time',
  kb: Math.round(unseen.length / 1024),
  source: 'prompt_cache_key',
  us: microseconds(() => findSession((name) => headerOf(FLAT, name), cut, new KnownPlaces())),
});
const last = Buffer.from(JSON.stringify({ model: 'k', messages: chat, tools }));
rows.push({
  case: 'file references',
  kb: Math.round(last.length / 1024),
  source: 'none',
  us: microseconds(() => findFileAccount([last], () => null)),
});

if (json === true) console.log(JSON.stringify({ rows }));
else console.table(rows);

function microseconds(work: () => unknown): number {
  for (let n = 0; n < CALLS; n++) work();
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let n = 0; n < CALLS; n++) work();
    return ((performance.now() - start) / CALLS) * 1000;
  });
  return Math.round(median(times) * 100) / 100;
}
