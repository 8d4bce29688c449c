import { join } from 'node:path';
import pino from 'pino';
import { redact } from './core/redact.ts';
import { zonedStamp } from './core/zoned-time.ts';
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
  readonly secrets: () => readonly string[];
  readonly level?: 'info' | 'warn';
};

/** The app's log: JSON lines `{level, ts, message, ...}` in `logs/kmi.log`, rotated, written off the request's path. */
export function openLog(options: LogOptions): LogFile {
  const file = new RotatingFile({
    path: logPath(options.stateDir),
    maxBytes: options.maxMb * 1024 * 1024,
    backups: options.backups,
  });
  const destination = {
    write(line: string) {
      // A log that cannot be written must not stop what it reports on.
      file.append(redact(line, inJsonToo(options.secrets()))).catch(() => undefined);
    },
  };
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
    close: () => file.close(),
  };
}

/** A line is JSON already when it is redacted, so a secret with a quote or a backslash stands in it escaped. */
function inJsonToo(secrets: readonly string[]): string[] {
  return secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
}

export function logPath(stateDir: string): string {
  return join(stateDir, 'logs', 'kmi.log');
}
