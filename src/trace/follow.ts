import type { TraceEvent } from '../core/trace/trace-event.ts';
import { LineFollower } from '../files/line-follower.ts';
import { parseTraceLine } from './trace-reader.ts';

/** How often a follower is asked. Polling sees what file events miss: rotation, network file systems, a file yet to come. */
export const FOLLOW_MS = 200;

/** Reads what is appended to a trace from now on. A line that is torn or foreign is passed over. */
export class TraceFollower {
  readonly #lines: LineFollower;

  private constructor(lines: LineFollower) {
    this.#lines = lines;
  }

  /** Starts behind the last whole line of the file. Throws what the file system says, but not that the file is missing. */
  static async open(path: string): Promise<TraceFollower> {
    return new TraceFollower(await LineFollower.open(path, 'end'));
  }

  /** The events appended since the last call, oldest first. */
  async next(): Promise<TraceEvent[]> {
    const lines = await this.#lines.next();
    return lines.map(parseTraceLine).filter((event) => event !== null);
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
