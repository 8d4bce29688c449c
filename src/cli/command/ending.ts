/** How a command that runs until it is told to learns that it should end. */
export type Ending = {
  /** Waits; false, and at once, when the command should end. */
  pause(ms: number): Promise<boolean>;
  end(exitCode: number): void;
  readonly signal: AbortSignal;
  /** 0 for Ctrl+C, which is how such a command is meant to end; 128 + n for another signal. */
  exitCode(): number;
  /** Signals have their usual effect again. */
  stop(): void;
};

const SIGTERM_EXIT = 143;
const SIGHUP_EXIT = 129;

/** For a command that prints much: a reader that leaves early (`| head`) is no failure. */
export function ignoreBrokenPipe(): void {
  process.stdout.on('error', () => undefined);
}

/** Ends at Ctrl+C, SIGTERM, SIGHUP, and when the reader of the output has gone. */
export function untilSignalled(interruptExit = 0): Ending {
  const controller = new AbortController();
  let exitCode = 0;
  const end = (code: number) => {
    if (controller.signal.aborted) return;
    exitCode = code;
    controller.abort();
  };
  const onInterrupt = () => end(interruptExit);
  const onTerminate = () => end(SIGTERM_EXIT);
  const onHangUp = () => end(SIGHUP_EXIT);
  // A reader that leaves (`| head`) breaks the pipe. That is no failure.
  const onOutputError = () => end(0);
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate).on('SIGHUP', onHangUp);
  process.stdout.on('error', onOutputError);
  return {
    end,
    signal: controller.signal,
    exitCode: () => exitCode,
    pause: (ms) =>
      new Promise((resolve) => {
        if (controller.signal.aborted) {
          resolve(false);
          return;
        }
        const finish = () => {
          clearTimeout(timer);
          controller.signal.removeEventListener('abort', finish);
          resolve(!controller.signal.aborted);
        };
        const timer = setTimeout(finish, ms);
        controller.signal.addEventListener('abort', finish);
      }),
    stop() {
      process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate).off('SIGHUP', onHangUp);
      process.stdout.off('error', onOutputError);
    },
  };
}
