import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import type { CommandContext } from '../../command/context.ts';
import { PatientOutput } from '../../ui/patient-output.ts';
import { STREAM_COLUMNS, traceLines } from '../../words/trace-lines.ts';

export type RequestLines = {
  /** Takes a request that has ended. Nothing is rendered or written yet. */
  add(event: TraceEvent): void;
  /** Writes what is left, unless the reader is gone. */
  close(): Promise<void>;
};

const PRINT_EVERY_MS = 50;
/** More in that time than anybody reads: the rest is counted. */
const LINES_AT_ONCE = 200;
const CLOSE_MS = 500;
const MARK_COLUMNS = 2;

/**
 * A line on standard output for each request of the foreground proxy, some at a time and beside the requests. `!` marks those that took
 * more than one key, failed or broke off. Prompts are left out, because such output ends up in the logs of other programs.
 */
export function printRequests({ style, width, isTerminal }: CommandContext): RequestLines {
  const columns = () => (isTerminal ? (process.stdout.columns ?? width) : STREAM_COLUMNS);
  const render = traceLines(style, () => columns() - MARK_COLUMNS);
  // Looked at first, so that a pipe never blocks a write.
  void process.stdout.writable;
  const output = new PatientOutput(1);
  const closing = new AbortController();
  let waiting: TraceEvent[] = [];
  let leftOut = 0;
  let printing: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;

  const print = async (): Promise<void> => {
    const events = waiting;
    const more = leftOut;
    waiting = [];
    leftOut = 0;
    const lines = render(events.map((event) => ({ ...event, prompt_hint: '' })));
    const text = lines.map((line, n) => `${isTrouble(events[n] as TraceEvent) ? style.bad('!') : ' '} ${line}\n`).join('');
    const rest = more === 0 ? '' : `  ${style.dim(`and ${more} more; \`kmi trace\` shows them all`)}\n`;
    await output.write(text + rest, closing.signal);
  };
  const start = (): void => {
    timer = null;
    printing ??= print().finally(() => {
      printing = null;
      if (waiting.length > 0) schedule();
    });
  };
  const schedule = (): void => {
    timer ??= setTimeout(start, PRINT_EVERY_MS);
  };
  return {
    add(event) {
      if (waiting.length < LINES_AT_ONCE) waiting.push(event);
      else leftOut += 1;
      schedule();
    },
    async close() {
      const end = setTimeout(() => closing.abort(), CLOSE_MS);
      await printing;
      if (timer !== null) clearTimeout(timer);
      timer = null;
      if (waiting.length > 0) await print();
      clearTimeout(end);
    },
  };
}

function isTrouble({ status, error_code: error, tried = [] }: TraceEvent): boolean {
  return status >= 400 || error !== null || tried.length > 0;
}
