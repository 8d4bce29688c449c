import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { linesOf, traceEvent, traceEvents } from '../trace/event-fixture.ts';

async function homeWithTrace(text: string): Promise<TemporaryHome & { trace: string }> {
  const home = await temporaryHome();
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  await mkdir(dirname(trace), { recursive: true });
  await writeFile(trace, text);
  return { ...home, trace };
}

const linesIn = (text: string) => text.split('\n').filter((line) => line !== '');

it('--last prints so many lines, oldest first, and ends', async () => {
  const { env } = await homeWithTrace(linesOf(traceEvents(30)));
  const { code, stdout, stderr } = await runKmi(['trace', '--last', '3'], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(linesIn(stdout).map((line) => line.slice(0, 8))).toEqual(['12:00:27', '12:00:28', '12:00:29']);
  expect(stdout).toMatch(/12:00:29 +200 +129 ms +cleo +\/chat\/completions +0000001d +Say hello to the whole world\.\.\./);
});

it('--json --last prints JSON lines as they stand in the trace', async () => {
  const { env, trace } = await homeWithTrace(linesOf(traceEvents(5)));
  const { stdout } = await runKmi(['trace', '--json', '--last', '5'], { env });
  const events = linesIn(stdout).map((line) => JSON.parse(line));
  expect(events).toEqual(linesIn(await readFile(trace, 'utf8')).map((line) => JSON.parse(line)));
  expect(Object.keys(events[0])).toEqual(
    expect.arrayContaining([
      'schema_version',
      'ts',
      'request_id',
      'method',
      'endpoint',
      'status',
      'latency_ms',
      'key_label',
      'key_hash',
      'rotation_index',
      'error_code',
      'prompt_hint',
      'prompt_head',
      'choice',
    ]),
  );
});

it('tokens stand in a column of their own once a request states them, beside older lines without', async () => {
  const counted = { input_tokens: 12_345, cached_tokens: 12_288, output_tokens: 210, session: '3f2a9c1d' };
  const { env } = await homeWithTrace(linesOf([traceEvent(1), traceEvent(2, counted)]));
  const { stdout } = await runKmi(['trace', '--last', '2'], { env });
  expect(stdout).toMatch(/^12:00:01 +200 +101 ms +ben {20,}\/chat\/completions/m);
  expect(stdout).toMatch(/^12:00:02 +200 +102 ms +cleo +12\.3k\/99% +210 +\/chat\/completions/m);
  const json = await runKmi(['trace', '--last', '1', '--json'], { env });
  expect(JSON.parse(json.stdout)).toMatchObject(counted);
});

it('--key and --errors pick lines, and --last counts those that were picked', async () => {
  const failed = traceEvent(1, { status: 503, error_code: 'no_eligible_key', key_label: '' });
  const { env } = await homeWithTrace(linesOf([failed, ...traceEvents(40)]));
  const errors = await runKmi(['trace', '--last', '5', '--errors'], { env });
  expect(linesIn(errors.stdout)).toHaveLength(1);
  expect(errors.stdout).toContain('no_eligible_key');
  const ada = await runKmi(['trace', '--json', '--last', '4', '--key', 'ada'], { env });
  expect(linesIn(ada.stdout).map((line) => JSON.parse(line).key_label)).toEqual(['ada', 'ada', 'ada', 'ada']);
});

it('--last takes whole numbers only', async () => {
  const { env } = await homeWithTrace('');
  const { code, stderr } = await runKmi(['trace', '--last', 'many'], { env });
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringContaining('--last many: takes a whole number from 0 to 1000000.'),
  });
});

it('into a pipe it prints the newest twenty and then each line as it comes, until Ctrl+C', async () => {
  const { env, trace } = await homeWithTrace(linesOf(traceEvents(25)));
  const kmi = await startKmi(['trace'], { env });
  await kmi.waitForOutput(/12:00:24/);
  expect(linesIn(kmi.stdout())).toHaveLength(20);
  await appendFile(trace, linesOf([traceEvent(30)]));
  await kmi.waitForOutput(/12:00:30/);
  await rename(trace, `${trace}.1`);
  await writeFile(trace, linesOf([traceEvent(31)]));
  await kmi.waitForOutput(/12:00:31/);
  expect(await kmi.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(linesIn(kmi.stdout())).toHaveLength(22);
  expect(kmi.stdout()).not.toContain('\u001b');
});

it('--json streams each request once, also from a trace that does not exist yet', async () => {
  const home = await temporaryHome();
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  const kmi = await startKmi(['--trace', '--plain'], { env: home.env });
  const json = await startKmi(['trace', '--json'], { env: home.env });
  await mkdir(dirname(trace), { recursive: true });
  await writeFile(trace, linesOf(traceEvents(2)));
  await Promise.all([kmi.waitForOutput(/12:00:01/), json.waitForOutput(/12:00:01.*\n/)]);
  expect(linesIn(json.stdout()).map((line) => JSON.parse(line))).toEqual(traceEvents(2));
  expect(await json.stop('SIGTERM')).toEqual({ code: 143, signal: null });
  await kmi.stop('SIGINT');
});

it('a reader that leaves ends it without a word', async () => {
  const { env, trace } = await homeWithTrace(linesOf(traceEvents(3)));
  const kmi = await startKmi(['trace'], { env });
  await kmi.waitForOutput(/12:00:02/);
  kmi.child.stdout?.destroy();
  await appendFile(trace, linesOf([traceEvent(4)]));
  expect(await kmi.ended).toEqual({ code: 0, signal: null });
  expect(kmi.stderr()).toBe('');
});

it('--last without anything to print says why, and JSON lines stay alone', async () => {
  const none = await temporaryHome();
  const said = await runKmi(['trace', '--last', '3'], { env: none.env });
  expect(said).toMatchObject({ code: 0, stdout: '', stderr: 'No requests yet: the proxy has served none.\n' });
  expect(await runKmi(['trace', '--last', '3', '--json'], { env: none.env })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  const { env } = await homeWithTrace(linesOf(traceEvents(3)));
  expect(await runKmi(['trace', '--last', '3', '--errors'], { env })).toMatchObject({
    stdout: '',
    stderr: 'No request passes the filter.\n',
  });
});

it('a trace that cannot be read is an error that names it', async () => {
  const home = await temporaryHome();
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  await mkdir(trace, { recursive: true });
  const { code, stderr } = await runKmi(['trace', '--last', '1'], { env: home.env });
  expect(code).toBe(1);
  expect(stderr).toContain(`The trace ${trace} cannot be read (EISDIR).`);
});

it('every key of the window is in the help of the command', async () => {
  const { stdout } = await runKmi(['trace', '--help']);
  expect(stdout.replace(/\s+/g, ' ')).toMatch(/keys up, down and Enter .*, k, s, c \(filter\), p, \? and q/);
  expect(stdout).toContain('$ kmi trace --last 100 --errors');
});
