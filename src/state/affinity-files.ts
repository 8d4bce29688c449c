import { join } from 'node:path';
import { isRecord } from '../core/json/json-value.ts';
import { unpackSessions } from '../core/sessions/session-dump.ts';
import type { Sessions } from '../core/sessions/session-table.ts';
import type { UploadedFiles } from '../core/sessions/uploaded-files.ts';
import { reasonOf } from '../errors.ts';
import { SharedFile, type SharedFileOptions } from './shared-file.ts';

export type AffinityFilesOptions = {
  readonly stateDir: string;
  readonly memory: {
    readonly sessions: Sessions;
    readonly files: UploadedFiles;
    readonly sessionChanges: number;
    readonly fileChanges: number;
  };
  /** What others remembered has been taken over. */
  readonly onMerged: () => void;
  readonly log: SharedFileOptions['log'];
  /** Between two looks. Default 30 s. */
  readonly everyMs?: number;
};

const EVERY_MS = 30_000;

/**
 * Which account sessions and uploaded files are with, kept over restarts and shared between proxies on one state folder:
 * `sessions.bin` (`packSessions`, at most 1.8 MB) and `uploads.json`. A crash loses what was learned in the last half
 * minute, which the hash of a session mostly finds again.
 */
export class AffinityFiles {
  readonly #options: AffinityFilesOptions;
  readonly #files: readonly SharedFile[];
  #timer: NodeJS.Timeout | null = null;
  #syncing: Promise<void> = Promise.resolve();

  constructor(options: AffinityFilesOptions) {
    this.#options = options;
    const { stateDir, memory, onMerged, log } = options;
    this.#files = [
      new SharedFile({
        path: sessionsPath(stateDir),
        changes: () => memory.sessionChanges,
        render: () => memory.sessions.dump(),
        merge(bytes) {
          const entries = unpackSessions(bytes);
          if (entries === null) return false;
          memory.sessions.merge(entries);
          onMerged();
          return true;
        },
        log,
      }),
      new SharedFile({
        path: uploadsPath(stateDir),
        changes: () => memory.fileChanges,
        render: () => `${JSON.stringify({ schema_version: 1, files: Object.fromEntries(memory.files.entries()) })}\n`,
        merge(bytes) {
          const files = parseUploads(bytes);
          if (files === null) return false;
          memory.files.merge(files);
          onMerged();
          return true;
        },
        log,
      }),
    ];
  }

  /** Takes over what is remembered, and writes what is new. Never throws. */
  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(async () => {
      for (const file of this.#files) {
        try {
          await file.sync();
        } catch (error) {
          this.#options.log.warn('Sessions or uploads could not be read or saved; this is tried again.', {
            reason: reasonOf(error),
          });
        }
      }
    });
    return this.#syncing;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sync(), this.#options.everyMs ?? EVERY_MS).unref();
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.sync();
  }
}

export function sessionsPath(stateDir: string): string {
  return join(stateDir, 'sessions.bin');
}

export function uploadsPath(stateDir: string): string {
  return join(stateDir, 'uploads.json');
}

function parseUploads(bytes: Uint8Array): readonly [string, string][] | null {
  try {
    const raw: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const files = isRecord(raw) && isRecord(raw.files) ? raw.files : null;
    return files === null
      ? null
      : Object.entries(files).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  } catch {
    return null;
  }
}
