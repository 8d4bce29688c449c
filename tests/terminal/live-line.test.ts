import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startLiveLine } from '../../src/cli/ui/live-line.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function stream(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

test('it is drawn at once and each second, over itself, and is gone at the end', () => {
  const out = stream(true);
  let left = 3;
  const line = startLiveLine(out, () => `${left} s left`);
  left -= 1;
  vi.advanceTimersByTime(1000);
  line.end();
  line.end();
  vi.advanceTimersByTime(5000);
  expect(out.written).toEqual(['\r\u001b[2K3 s left', '\r\u001b[2K2 s left', '\r\u001b[2K']);
});

test('it never fills a row, which would begin another one', () => {
  const out = stream(true, 20);
  startLiveLine(out, () => 'a text that is longer than the terminal is wide').end();
  expect(out.written[0]).toBe(`\r\u001b[2K${'a text that is longer than'.slice(0, 19)}`);
});

test('without a terminal nothing is written', () => {
  const out = stream(false);
  const line = startLiveLine(out, () => 'waiting');
  vi.advanceTimersByTime(5000);
  line.end();
  expect(out.written).toEqual([]);
});
