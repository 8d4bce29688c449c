import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { CAN_PIN, isInstalled, LOAD_CPUS, type Subject } from './subjects/start.ts';

/** What a load of plain requests measured. Latencies in ms. */
export type LoadResult = {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
};

/** A chat request of about `bytes`, as an agent sends it: a long context in few large strings. */
export function chatBody(bytes: number): string {
  const message = { role: 'user', content: 'Please read the file and tell me what it does. ' };
  const shell = {
    model: 'kimi-for-coding',
    messages: [{ role: 'system', content: '' }, message],
    tools: [] as unknown[],
    prompt_cache_key: 'session-1',
  };
  const text = 'You are a careful assistant that works on code.\\n '.repeat(Math.ceil(bytes / 50));
  shell.messages[0] = { role: 'system', content: text.slice(0, Math.max(0, bytes - JSON.stringify(shell).length - 40)) };
  return JSON.stringify(shell);
}

export const HAS_WRK = isInstalled('wrk');

/** Posts the bodies in turn for so many seconds. */
export function runLoad(subject: Subject, bodies: readonly string[], connections: number, seconds: number): Promise<LoadResult> {
  return HAS_WRK ? runWrk(subject, bodies, connections, seconds) : runAutocannon(subject, bodies, connections, seconds);
}

const LUA_REPORT = `
done = function(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors))
end`;

async function runWrk(subject: Subject, bodies: readonly string[], connections: number, seconds: number): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'kmi-wrk-'));
  try {
    for (const [n, body] of bodies.entries()) writeFileSync(join(folder, `body${n}.json`), body);
    const script = `
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer bench"
wrk.headers["User-Agent"] = "KimiCLI/1.0"
local requests = {}
local sent = 0
init = function(args)
  for n = 1, ${bodies.length} do
    local file = io.open("${folder}/body" .. (n - 1) .. ".json", "rb")
    requests[n] = wrk.format(nil, nil, nil, file:read("*all"))
    file:close()
  end
end
request = function()
  sent = sent + 1
  return requests[sent % ${bodies.length} + 1]
end
${LUA_REPORT}`;
    writeFileSync(join(folder, 'post.lua'), script);
    const wrk = [
      'wrk',
      '-t1',
      `-c${connections}`,
      `-d${seconds}s`,
      '--timeout',
      '10s',
      '-s',
      join(folder, 'post.lua'),
      subject.origin + subject.path,
    ];
    const output = await run(CAN_PIN ? ['taskset', '-c', LOAD_CPUS, ...wrk] : wrk);
    const match = /RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)/.exec(output);
    if (match === null) throw new Error(`wrk said: ${output}`);
    const [requests, micros, p50, p99, errors] = match.slice(1).map(Number) as [number, number, number, number, number];
    return { requests, seconds: micros / 1e6, p50: p50 / 1000, p99: p99 / 1000, errors };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runAutocannon(
  subject: Subject,
  bodies: readonly string[],
  connections: number,
  seconds: number,
): Promise<LoadResult> {
  const result = await autocannon({
    url: subject.origin + subject.path,
    method: 'POST',
    requests: bodies.map((body) => ({ body })),
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
    connections,
    duration: seconds,
  });
  return {
    requests: result.requests.total,
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx,
  };
}

function run([program, ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', () => resolve(output));
  });
}
