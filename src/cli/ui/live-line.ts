import type { ProgressStream } from './progress.ts';
import { cutToWidth } from './width.ts';

export type LiveLine = {
  /** Takes the line away, so that other lines can follow. May be called more than once. */
  end(): void;
};

const EVERY_MS = 1_000;
const CLEAR_LINE = '\r\u001b[2K';

/**
 * One line on a terminal that is drawn anew every second until it ends, and leaves nothing behind. It never takes more than one row,
 * of which only the last could be cleared. Elsewhere nothing is written.
 */
export function startLiveLine(
  stream: ProgressStream & { readonly columns?: number },
  text: () => string,
  { isShown = stream.isTTY === true, everyMs = EVERY_MS }: { readonly isShown?: boolean; readonly everyMs?: number } = {},
): LiveLine {
  if (!isShown) return { end: () => undefined };
  const draw = () => stream.write(`${CLEAR_LINE}${cutToWidth(text(), (stream.columns ?? 80) - 1, '')}`);
  draw();
  const timer = setInterval(draw, everyMs).unref();
  let isOpen = true;
  return {
    end() {
      clearInterval(timer);
      if (isOpen) stream.write(CLEAR_LINE);
      isOpen = false;
    },
  };
}
