import { join } from 'node:path';
import pino from 'pino';
import type { Config } from './config/settings.ts';
import type { SecretSet } from './core/text/secret-set.ts';
import { zonedStamp } from './core/text/zoned-time.ts';
import { RotatingFile } from './files/rotating-file.ts';

type Details = Record<string, unknown>;

/** What the parts of the program may say to the log. Messages hold labels, never keys. */
export type Log = {
  info(message: string, details?: Details): void;
  warn(message: string, details?: Details): void;
  error(message: string, details?: Details): void;
};

export type LogFile = Log & { close(): Promise<void> };

export type LogOptions = {
  readonly stateDir: string;
  readonly maxMb: number;
  readonly backups: number;
  readonly timezone: string;
  /** Every line goes through this filter: whatever slipped into a message, these never reach the disk. */
  readonly secrets: SecretSet;
  readonly level?: 'info' | 'warn';
};

/** The log these settings name. */
export function openLogOf({ stateDir, logMaxMb, logBackups, timezone }: Config, secrets: SecretSet): LogFile {
  return openLog({ stateDir, maxMb: logMaxMb, backups: logBackups, timezone, secrets });
}

/** The app's log: JSON lines `{level, ts, message, ...}` in `logs/kmi.log`, rotated, written off the request's path. */
export function openLog(options: LogOptions): LogFile {
  const file = new RotatingFile({
    path: logPath(options.stateDir),
    maxBytes: options.maxMb * 1024 * 1024,
    backups: options.backups,
  });
  const lines = new KeptLines((text) => file.append(text));
  const destination = { write: (line: string) => lines.add(options.secrets.redact(line)) };
  const logger = pino(
    {
      base: null,
      messageKey: 'message',
      level: options.level ?? 'info',
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"ts":"${zonedStamp(Date.now(), options.timezone)}"`,
    },
    destination,
  );
  return {
    info: (message, details = {}) => logger.info(details, message),
    warn: (message, details = {}) => logger.warn(details, message),
    error: (message, details = {}) => logger.error(details, message),
    async close() {
      await lines.close();
      await file.close();
    },
  };
}

/** Lines kept for a disk that refuses them: mostly those that say so. The oldest go first. */
const KEPT_MAX = 200;
const RETRY_MS = 1_000;

/** Hands lines on in order, and keeps them while they cannot be written: a log that fails must not stop what it reports on. */
class KeptLines {
  readonly #write: (text: string) => Promise<void>;
  #lines: string[] = [];
  #writing: Promise<void> | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#retry === null) this.#start();
    else this.#trim();
  }

  /** Tries once more. */
  async close(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#writing;
    await this.#drain();
    if (this.#retry !== null) clearTimeout(this.#retry);
  }

  #start(): void {
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = null;
    });
  }

  async #drain(): Promise<void> {
    this.#retry = null;
    for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
      try {
        await this.#write(line);
      } catch {
        this.#lines.unshift(line);
        this.#trim();
        this.#retry = setTimeout(() => this.#start(), RETRY_MS).unref();
        return;
      }
    }
  }

  #trim(): void {
    if (this.#lines.length > KEPT_MAX) this.#lines.splice(0, this.#lines.length - KEPT_MAX);
  }
}

export function logPath(stateDir: string): string {
  return join(stateDir, 'logs', 'kmi.log');
}
