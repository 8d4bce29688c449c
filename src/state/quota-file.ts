import type { Key } from '../core/keys/key.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import type { Clock } from '../core/text/time.ts';
import { reasonOf } from '../errors.ts';
import { quotaPath, readingsOf } from './quota-readings.ts';
import { isKept, parseReadings, readingId, renderReadings } from './quota-schema.ts';
import { SharedFile, type SharedFileOptions } from './shared-file.ts';

export type QuotaFileOptions = {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: SharedFileOptions['log'];
  /** A reading waits this long for others to be written with it. Default 1 s. */
  readonly gatherMs?: number;
  /** From one write to the next. Default 5 s; ten times that with more than 1,000 readings. */
  readonly everyMs?: number;
};

const GATHER_MS = 1_000;
const EVERY_MS = 5_000;
const MANY = 1_000;

/**
 * `quota.json`: the last good reading of each key's quota, shared by all proxies and commands of a state folder, so that a command
 * can show it without asking. Of two readings of a key the newer one stays. A crash loses the last few seconds.
 */
export class QuotaFile {
  readonly #options: QuotaFileOptions;
  readonly #file: SharedFile;
  readonly #readings = new Map<string, KeyHealth>();
  #changes = 0;
  #timer: NodeJS.Timeout | null = null;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #syncing: Promise<void> = Promise.resolve();

  constructor(options: QuotaFileOptions) {
    this.#options = options;
    this.#file = new SharedFile({
      path: quotaPath(options.stateDir),
      changes: () => this.#changes,
      render: () => {
        const now = options.clock();
        for (const [id, reading] of this.#readings) if (!isKept(reading, now)) this.#readings.delete(id);
        return renderReadings(this.#readings);
      },
      merge: (bytes) => {
        const readings = parseReadings(new TextDecoder().decode(bytes));
        if (readings === 'damaged') return false;
        if (readings !== 'newer') for (const [id, reading] of readings) this.#take(id, reading);
        return true;
      },
      log: options.log,
    });
  }

  /** A key was asked. Answers without usage are no readings. Touches no file: that happens within seconds, on its own. */
  record(key: Key, { usage, error, fetchedAt, askedAt }: KeyHealth): void {
    if (usage === null || error !== null) return;
    const reading = { usage, error, fetchedAt, ...(askedAt === undefined ? {} : { askedAt }) };
    if (!this.#take(readingId(key), reading)) return;
    this.#changes += 1;
    if (this.#timer === null) this.#schedule();
  }

  /** False when a newer one is known. */
  #take(id: string, reading: KeyHealth): boolean {
    const now = this.#options.clock();
    const known = this.#readings.get(id);
    if (!isKept(reading, now)) return false;
    if (known !== undefined && isKept(known, now) && known.fetchedAt >= reading.fetchedAt) return false;
    this.#readings.set(id, reading);
    return true;
  }

  #schedule(): void {
    const { gatherMs = GATHER_MS, everyMs = EVERY_MS } = this.#options;
    const pauseMs = this.#readings.size > MANY ? 10 * everyMs : everyMs;
    const delayMs = Math.max(gatherMs, this.#writtenAt + pauseMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writtenAt = performance.now();
      void this.sync();
    }, delayMs).unref();
  }

  /** Takes over what others wrote, and writes what is new. Never throws. */
  sync(): Promise<void> {
    this.#syncing = this.#syncing.then(async () => {
      try {
        await this.#file.sync();
      } catch (error) {
        const reason = reasonOf(error);
        this.#options.log.warn('The quota readings could not be read or saved; the next reading tries again.', { reason });
      }
    });
    return this.#syncing;
  }

  /** What is known of the keys, by label. */
  readingsOf(keys: readonly Key[]): ReadonlyMap<string, KeyHealth> {
    return readingsOf(keys, this.#readings, this.#options.clock());
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.sync();
  }
}

/**
 * Saves what a command has just read. That it cannot is not worth a word: the command shows the readings itself, and a folder that
 * cannot be written is reported where the state is.
 */
export async function saveQuotaReadings(
  { stateDir, clock }: Pick<QuotaFileOptions, 'stateDir' | 'clock'>,
  keys: readonly Key[],
  health: ReadonlyMap<string, KeyHealth>,
): Promise<void> {
  if (![...health.values()].some(({ usage, error }) => usage !== null && error === null)) return;
  const file = new QuotaFile({ stateDir, clock, log: { warn: () => undefined } });
  for (const key of keys) {
    const reading = health.get(key.label);
    if (reading !== undefined) file.record(key, reading);
  }
  await file.close();
}
