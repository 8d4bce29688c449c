/** A stream a progress line may be drawn on. */
export type ProgressStream = { readonly isTTY?: boolean; write(text: string): unknown };

export type Progress = { step(): void; end(): void };

const QUIET_MS = 1_000;

/**
 * A line such as "Asked 3 of 40 keys" that appears on a terminal when the work takes over a second, moves with each
 * step and is gone at the end. Elsewhere nothing is written.
 */
export function startProgress(
  stream: ProgressStream,
  describe: (done: number) => string,
  { quietMs = QUIET_MS }: { readonly quietMs?: number } = {},
): Progress {
  if (stream.isTTY !== true) return { step: () => undefined, end: () => undefined };
  let done = 0;
  let shown = false;
  const draw = () => {
    shown = true;
    stream.write(`\r\u001b[2K${describe(done)}`);
  };
  const timer = setTimeout(draw, quietMs);
  timer.unref();
  return {
    step() {
      done += 1;
      if (shown) draw();
    },
    end() {
      clearTimeout(timer);
      if (shown) stream.write('\r\u001b[2K');
      shown = false;
    },
  };
}
