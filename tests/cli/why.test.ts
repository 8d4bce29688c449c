import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryHome } from '../support/home.ts';
import { startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';
import { linesOf, traceEvent, traceEvents } from '../trace/event-fixture.ts';

async function homeWithTrace(files: Readonly<Record<string, string>>) {
  const home = await temporaryHome();
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  await mkdir(dirname(trace), { recursive: true });
  for (const [suffix, text] of Object.entries(files)) await writeFile(`${trace}${suffix}`, text);
  return home;
}

it('a real request that went over a used-up key is explained', async () => {
  const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'], autoRotate: true, settings: { KMI_AUTO_ROTATE_ALLOWED: '1' } });
  proxy.simulator.account('a').setQuota({ fiveHour: { limit: 1, used: 1 } });
  expect((await proxy.chat()).status).toBe(200);
  const [event] = await proxy.trace(1);
  const { stdout, code } = await runKmi(['why', 'last'], { env: proxy.home.env });
  expect(code).toBe(0);
  expect(stdout).toContain(`Request ${event?.request_id}`);
  expect(stdout).toMatch(/Answered 200 by b after \d/);
  expect(stdout).toMatch(/^a +tried +4\d\d: its quota is used up$/m);
  expect(stdout).toMatch(/^b +chosen +200, round-robin, it was its turn$/m);
  const byId = await runKmi(['why', (event?.request_id ?? '').slice(0, 8), '--json'], { env: proxy.home.env });
  expect(JSON.parse(byId.stdout)).toEqual({
    request_id: event?.request_id,
    ts: event?.ts,
    method: 'POST',
    endpoint: '/chat/completions',
    status: 200,
    error_code: null,
    latency_ms: event?.latency_ms,
    dry_run: false,
    prompt_hint: 'Say hello',
    key_label: 'b',
    session: event?.session ?? null,
    input_tokens: event?.input_tokens ?? null,
    cached_tokens: event?.cached_tokens ?? null,
    output_tokens: event?.output_tokens ?? null,
    choice: 'round_robin',
    candidates: [
      {
        key_label: 'a',
        outcome: 'tried',
        status: expect.any(Number),
        verdict: 'quota',
        reason: null,
        text: expect.stringContaining('its quota is used up'),
      },
      {
        key_label: 'b',
        outcome: 'chosen',
        status: 200,
        verdict: null,
        reason: 'round_robin',
        text: '200, round-robin, it was its turn',
      },
    ],
  });
});

it('a request of a session is explained with its session, its tokens and what it cost', async () => {
  const fields = { session: '3f2a9c1d', input_tokens: 9000, cached_tokens: 0, output_tokens: 40 };
  const skipped = [{ key_label: 'ben', reason: 'quota' }];
  const { env } = await homeWithTrace({ '': linesOf([traceEvent(0, { choice: 'moved', skipped, ...fields })]) });
  const { stdout } = await runKmi(['why', 'last'], { env });
  expect(stdout).toContain('Session 3f2a9c1d, 9,000 tokens in (0 % cached), 40 out');
  expect(stdout).toMatch(/^ada +chosen +200, the session's own account could not serve, so it moved here/m);
  const json = JSON.parse((await runKmi(['why', 'last', '--json'], { env })).stdout);
  expect(json).toMatchObject({ ...fields, choice: 'moved', candidates: [{ reason: 'moved' }, { reason: 'quota' }] });
});

it('the last request is meant when none is named', async () => {
  const { env } = await homeWithTrace({ '': linesOf(traceEvents(3)) });
  for (const args of [['why'], ['why', 'last']]) {
    expect((await runKmi(args, { env })).stdout).toContain('Request 00000002-0000');
  }
});

it('every id that the trace shows names its request, over a restart of the proxy, too', async () => {
  const home = await temporaryHome();
  for (let run = 0; run < 2; run += 1) {
    const proxy = await startBinaryProxy({ home, accounts: ['a'] });
    for (let n = 0; n < 3; n += 1) await proxy.chat();
    await proxy.trace(3 * (run + 1));
    await proxy.kmi.stop();
  }
  const { stdout } = await runKmi(['trace', '--last', '6'], { env: home.env });
  const ids = stdout.match(/\b[\da-f]{8}\b/g) ?? [];
  expect(new Set(ids).size).toBe(6);
  for (const id of ids)
    expect(await runKmi(['why', id.slice(0, 6)], { env: home.env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Request ${id}`),
    });
  const offered = await runKmi(['completion', '--requests'], { env: home.env });
  expect(offered.stdout.trim().split('\n')).toEqual(['last', ...ids.reverse()]);
});

it('a request in a rotated file is found', async () => {
  const { env } = await homeWithTrace({ '': linesOf(traceEvents(3)), '.1': linesOf([traceEvent(0xabc)]) });
  const { stdout } = await runKmi(['why', '00000abc'], { env });
  expect(stdout).toContain('Request 00000abc-0000');
});

it.each([
  [['why', '0000'], 2, 'is too short'],
  [['why', '000000'], 2, 'is the beginning of several ids. The newest are:\n  00000002-0000'],
  [['why', 'ffffffff'], 1, 'No request in the trace begins with "ffffffff".'],
])('%j ends with %i and says what is wrong', async (args, exit, words) => {
  const { env } = await homeWithTrace({ '': linesOf(traceEvents(3)) });
  const { code, stdout, stderr } = await runKmi(args, { env });
  expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
  expect(stderr).toContain(words);
});

it('without any request there is no last one', async () => {
  const { env } = await temporaryHome();
  const { code, stderr } = await runKmi(['why', 'last'], { env });
  expect(code).toBe(1);
  expect(stderr).toContain('The trace is empty');
});
