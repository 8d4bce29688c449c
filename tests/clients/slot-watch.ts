import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Times in epoch ms. */
export type Span = { readonly from: number; readonly to: number; readonly what: string };

/** docs/kimi-api.md#oauth-files */
const FIELDS = ['access_token', 'refresh_token', 'expires_at', 'scope', 'token_type', 'expires_in'];

/** Looks at a credential file every few ms: whether it ever is other than a logged-in client leaves it, and when each pair came there. */
export class SlotWatch {
  readonly problems: Span[] = [];
  /** When the file with this refresh token was put in its place, epoch ms. */
  readonly placedAt = new Map<string, number>();
  readonly #file: string;
  #isOver = false;
  readonly #watching: Promise<void>;

  constructor(file: string) {
    this.#file = file;
    this.#watching = this.#watch();
  }

  /** The refresh token that is there now; empty when there is none. */
  async refreshToken(): Promise<string> {
    return (await this.#look()).refreshToken;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const from = Date.now();
      const { refreshToken, changedAt, problem } = await this.#look();
      if (problem === null) this.placedAt.set(refreshToken, this.placedAt.get(refreshToken) ?? changedAt);
      else this.problems.push({ from, to: Date.now(), what: problem });
      await delay(5);
    }
  }

  async #look(): Promise<{ readonly refreshToken: string; readonly changedAt: number; readonly problem: string | null }> {
    try {
      const file = await open(this.#file, 'r');
      try {
        // A rename changes the file's ctime and nothing else does that afterwards.
        const { mode, ctimeMs } = await file.stat();
        const text = await file.readFile('utf8');
        return { refreshToken: JSON.parse(text).refresh_token, changedAt: ctimeMs, problem: problemOf(mode, text) };
      } finally {
        await file.close();
      }
    } catch (error) {
      return { refreshToken: '', changedAt: 0, problem: String(error) };
    }
  }
}

function problemOf(mode: number, text: string): string | null {
  const record = JSON.parse(text);
  if ((mode & 0o777) !== 0o600) return `Its mode is ${(mode & 0o777).toString(8)}.`;
  if (record.access_token === '' || record.refresh_token === '') return 'It is a tombstone.';
  if (text !== `${JSON.stringify(record, null, 2)}\n`) return 'It is written in another way.';
  if (Object.keys(record).join() !== FIELDS.join()) return `Its fields are ${Object.keys(record).join()}.`;
  return Number.isInteger(record.expires_at) && record.expires_at > 0 ? null : `It ends at ${record.expires_at}.`;
}
