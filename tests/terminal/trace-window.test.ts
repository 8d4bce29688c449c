import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';
import { linesOf, traceEvent, traceEvents } from '../trace/event-fixture.ts';

type Prepared = { terminal: Terminal; trace: string };

async function openWindow(count: number, size: { columns?: number; rows?: number } = {}, args = ''): Promise<Prepared> {
  const home = await temporaryHome();
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  await mkdir(dirname(trace), { recursive: true });
  if (count > 0) await writeFile(trace, linesOf(traceEvents(count)));
  const terminal = await openTerminal({ env: home.env, ...size });
  await terminal.type(`kmi trace ${args}`);
  await terminal.waitFor(/kmi trace .*last minute/);
  return { terminal, trace };
}

const requestsOn = (screen: string) => screen.split('\n').filter((line) => /^[> ] \d\d:\d\d:\d\d/.test(line));

it('the newest requests fill a terminal of 80 by 24, newest first', async () => {
  const { terminal } = await openWindow(45);
  const screen = await terminal.waitFor(/00:44/);
  const lines = screen.trimEnd().split('\n');
  expect(lines).toHaveLength(24);
  expect(lines.every((line) => line.length <= 80)).toBe(true);
  expect(requestsOn(screen).map((line) => line.slice(2, 10))).toEqual(Array.from({ length: 20 }, (_, n) => `12:00:${44 - n}`));
  expect(lines[0]).toContain('last minute: no request');
  expect(lines[22]).toBe('ada 15  ben 15  cleo 15');
});

it('new requests appear on top with a mark, also after the file was rotated', async () => {
  const { terminal, trace } = await openWindow(3);
  await terminal.waitFor(/00:02/);
  await appendFile(trace, linesOf([traceEvent(50, { prompt_hint: 'fresh one' })]));
  const screen = await terminal.waitFor(/^> 12:00:50.*fresh/m);
  expect(requestsOn(screen)[0]).toMatch(/^> 12:00:50/);
  await rename(trace, `${trace}.1`);
  await writeFile(trace, linesOf([traceEvent(51)]));
  expect(requestsOn(await terminal.waitFor(/^> 12:00:51/m))[1]).toMatch(/^ {2}12:00:50/);
});

it('a trace that does not exist yet is waited for', async () => {
  const { terminal, trace } = await openWindow(0);
  await terminal.waitFor(/No requests yet/);
  await writeFile(trace, linesOf(traceEvents(2)));
  expect(requestsOn(await terminal.waitFor(/00:01/))).toHaveLength(2);
});

it('keys filter by key and by status, pause, and show help', async () => {
  const { terminal, trace } = await openWindow(9);
  await appendFile(trace, linesOf([traceEvent(9, { status: 503, error_code: 'no_eligible_key', key_label: '' })]));
  await terminal.waitFor(/503/);
  await terminal.press('k');
  expect(requestsOn(await terminal.waitFor(/only key ada/))).toHaveLength(3);
  await terminal.press('c', 's');
  expect(requestsOn(await terminal.waitFor(/only errors/))).toHaveLength(1);
  await terminal.press('s');
  expect(requestsOn(await terminal.waitFor(/only ok/))).toHaveLength(9);
  await terminal.press('c', 'p');
  await terminal.waitFor(/paused, 0 new/);
  await appendFile(trace, linesOf([traceEvent(10)]));
  expect(requestsOn(await terminal.waitFor(/paused, 1 new/))).toHaveLength(10);
  await terminal.press('p');
  expect(requestsOn(await terminal.waitFor(/00:10/))).toHaveLength(11);
  await terminal.press('?');
  await terminal.waitFor(/any key goes back/);
  // At 80 columns nothing of the help is cut.
  expect((await terminal.screen()).replace(/\s+/g, ' ')).toMatch(
    /how much of them the prompt cache served\..*counts the requests each key served lately\./,
  );
  await terminal.press('x');
  await terminal.waitFor(/00:10/);
});

it('arrow keys select a request, Enter tells how it found its key, Escape goes back', async () => {
  const { terminal } = await openWindow(3);
  await terminal.waitFor(/00:02/);
  await terminal.press('Down', 'Down');
  await terminal.waitFor(/^\* 12:00:01/m);
  await terminal.press('Enter');
  const why = await terminal.waitFor(/Request 00000001-0000/);
  expect(why).toMatch(/^ben +chosen +200, round-robin, it was its turn$/m);
  await terminal.press('Up');
  await terminal.waitFor(/Request 00000002-0000/);
  await terminal.press('Escape');
  await terminal.waitFor(/^\* 12:00:02/m);
  await terminal.press('Escape', 'k');
  expect(requestsOn(await terminal.waitFor(/only key ada/))).toHaveLength(1);
});

it('another size of the terminal is drawn at once, with fewer columns and lines where it is small', async () => {
  const { terminal } = await openWindow(45);
  await terminal.waitFor(/ NOTE/);
  await terminal.resize(40, 12);
  // The terminal shows the old lines in its new size for a moment.
  await eventually(async () => {
    const small = await terminal.screen();
    expect(small.split('\n').every((line) => line.length <= 40)).toBe(true);
    expect(requestsOn(small)).toHaveLength(8);
    expect(small).not.toMatch(/ENDPOINT/);
    return true;
  });
  await terminal.resize(120, 30);
  await eventually(async () => {
    const large = await terminal.screen();
    expect(large).toContain('Say hello to the whole world');
    expect(large).toMatch(/ENDPOINT/);
    expect(requestsOn(large)).toHaveLength(26);
    return true;
  });
});

it.each([
  ['q', ['q'], 0],
  ['Ctrl+C', ['C-c'], 0],
])('%s ends it and hands the terminal back as it was', async (_name, keys, code) => {
  const { terminal } = await openWindow(5);
  expect(await terminal.modes()).toEqual({ alternate: true, cursor: false });
  await terminal.press(...keys);
  await terminal.waitFor(new RegExp(`^ended ${code}$`, 'm'));
  await expectHandedBack(terminal);
});

it.each([
  ['TERM', 143],
  ['HUP', 129],
])('SIG%s ends it and hands the terminal back as it was', async (signal, code) => {
  const { terminal, trace } = await openWindow(5);
  const pid = pidOf(trace);
  process.kill(pid, `SIG${signal}` as NodeJS.Signals);
  await terminal.waitFor(new RegExp(`^ended ${code}$`, 'm'));
  await expectHandedBack(terminal);
});

it('an error on the way hands the terminal back and is told there', async () => {
  const { terminal, trace } = await openWindow(5, { columns: 120 });
  await rename(trace, `${trace}.1`);
  // A folder where the file should be cannot be read as one.
  await mkdir(trace);
  const screen = await terminal.waitFor(/^ended 1$/m);
  expect(screen).toMatch(/kmi: The trace \S+ cannot be read \(EISDIR\)/s);
  await expectHandedBack(terminal);
});

it('an exception that nobody catches is printed on a terminal that was handed back', async () => {
  const { root } = await temporaryHome();
  const script = join(root, 'faulty.mjs');
  const live = resolve(import.meta.dirname, '../../src/cli/ui/live.ts');
  const code = `import { openLive } from '${live}';
    const onKey = () => { throw new Error('nobody catches this'); };
    openLive({ stdin: process.stdin, stdout: process.stdout, onKey, onRedraw: () => {} }).draw(['drawn']);`;
  await writeFile(script, code);
  const terminal = await openTerminal();
  const tsx = import.meta.resolve('tsx');
  await terminal.type(`'${process.execPath}' --import '${tsx}' '${script}'; echo "ended $?"`);
  await terminal.waitFor(/^drawn$/m);
  await terminal.press('x');
  expect(await terminal.waitFor(/^ended 1$/m)).toContain('Error: nobody catches this');
  await expectHandedBack(terminal);
});

it('Ctrl+Z hands the terminal to the shell, and fg shows the window again', async () => {
  const { terminal } = await openWindow(5);
  await terminal.press('C-z');
  await terminal.waitFor(/Stopped/);
  await expectHandedBack(terminal);
  await terminal.type('fg; echo back $?');
  await terminal.waitFor(/12:00:04/);
  expect(await terminal.modes()).toEqual({ alternate: true, cursor: false });
  await terminal.press('q');
  await terminal.waitFor(/^back 0$/m);
  await expectHandedBack(terminal);
});

it('a terminal that cannot place a cursor gets lines', async () => {
  const home = await temporaryHome();
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  await mkdir(dirname(trace), { recursive: true });
  await writeFile(trace, linesOf(traceEvents(3)));
  const terminal = await openTerminal({ env: home.env });
  await terminal.type('TERM=dumb; export TERM; kmi trace');
  await terminal.waitFor(/^12:00:02 +200/m);
  expect((await terminal.modes()).alternate).toBe(false);
});

it('plain output in a terminal has only ASCII', async () => {
  const { terminal } = await openWindow(5, {}, '--plain');
  const screen = await terminal.waitFor(/12:00:04/);
  expect(screen).toMatch(/^[\x20-\x7e\n]*$/);
});

async function expectHandedBack(terminal: Terminal): Promise<void> {
  expect(await terminal.modes()).toEqual({ alternate: false, cursor: true });
  await terminal.type('stty -a');
  const settings = await terminal.waitFor(/icanon/);
  expect(settings).toMatch(/ icanon/);
  expect(settings).toMatch(/(?<!-)\becho\b/);
}

/** The process that has the terminal's window open, told apart by the state folder in its environment. */
function pidOf(trace: string): number {
  const stateDir = dirname(dirname(trace));
  const lines = execFileSync('ps', ['eww', '-A', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split(
    '\n',
  );
  const line = lines.find((entry) => /cli\.js trace/.test(entry) && entry.includes(stateDir));
  return Number(line?.trim().split(' ', 1)[0]);
}
