import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { startProgress } from '../../src/cli/ui/progress.ts';

test('nothing is drawn where there is no terminal', () => {
  const stream = new PassThrough();
  const progress = startProgress(stream, (done) => `${done}`, { quietMs: 0 });
  progress.step();
  progress.end();
  expect(stream.read()).toBeNull();
});

test('on a terminal the line appears after the quiet time, moves, and is gone at the end', async () => {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true });
  const progress = startProgress(stream, (done) => `asked ${done} of 3`, { quietMs: 1 });
  progress.step();
  // The timer alone does not keep a process alive; here something else does.
  const alive = setInterval(() => undefined, 1000);
  await once(stream, 'readable');
  clearInterval(alive);
  progress.step();
  progress.end();
  expect(stream.read()).toBe('\r\u001b[2Kasked 1 of 3\r\u001b[2Kasked 2 of 3\r\u001b[2K');
});

test('work that is done within the quiet time leaves no trace', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true });
  const progress = startProgress(stream, (done) => `${done}`);
  progress.step();
  progress.end();
  expect(stream.read()).toBeNull();
});
