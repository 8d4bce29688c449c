import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { refuseForeign } from '../files/owner.ts';
import { makePrivateFolder, removeLeftovers, replaceFile } from '../files/private.ts';
import { versionOf } from '../files/version.ts';
import { withFileLock } from './file-lock.ts';

export type SharedFileOptions = {
  readonly path: string;
  /** Takes over what the file says; false when that is damaged. */
  readonly merge: (bytes: Uint8Array) => boolean;
  /** The whole file as it should be now. */
  readonly render: () => Uint8Array | string;
  /** Grows with every change there is to save. */
  readonly changes: () => number;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
};

/**
 * Something several processes remember together: each merges what the others wrote before it writes. The file is only a
 * memory, so a damaged one is reported and replaced.
 */
export class SharedFile {
  readonly #options: SharedFileOptions;
  /** Which version of the file has been taken over or written. */
  #seen: string | null = null;
  #saved = 0;
  #hasTidied = false;

  constructor(options: SharedFileOptions) {
    this.#options = options;
  }

  /** Takes over what others wrote, and writes if there is something to write. Throws what the file system says. */
  async sync(): Promise<void> {
    const { path, changes, render } = this.#options;
    if (changes() === this.#saved) {
      await this.#takeOver();
      return;
    }
    await makePrivateFolder(dirname(path));
    await withFileLock(path, async () => {
      if (!this.#hasTidied) await removeLeftovers(path);
      this.#hasTidied = true;
      await this.#takeOver();
      const saved = changes();
      await replaceFile(path, render());
      this.#saved = saved;
      this.#seen = await versionOf(path);
    });
  }

  async #takeOver(): Promise<void> {
    const { path, merge, log } = this.#options;
    const version = await versionOf(path);
    if (version === null || version === this.#seen) return;
    await refuseForeign(path);
    const bytes = await readFile(path);
    this.#seen = version;
    if (!merge(bytes)) log.warn('A file of the state folder is damaged; what it remembered is lost.', { file: path });
  }
}
