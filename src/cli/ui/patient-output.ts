import { write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const writeTo = promisify(write);

/** A reader that is behind is asked again after this long. */
const RETRY_MS = 20;

/**
 * Writes to a file descriptor without ever making the event loop wait, as `process.stdout` does where a terminal is stopped (Ctrl+S), a
 * disk is slow or a pipe is full. Once writing fails, nothing more is written.
 */
export class PatientOutput {
  readonly #fd: number;
  #hasFailed = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Resolves when all of it is written, when that has failed, or when `until` is over. Never rejects. */
  async write(text: string, until: AbortSignal): Promise<void> {
    let rest = Buffer.from(text);
    while (rest.length > 0 && !this.#hasFailed && !until.aborted) {
      try {
        const { bytesWritten } = await writeTo(this.#fd, rest);
        rest = rest.subarray(bytesWritten);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') await sleep(RETRY_MS);
        else this.#hasFailed = true;
      }
    }
  }
}
