import { mkdir, open, readFile, rename, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Kimi Code's side of a slot, written from docs/kimi-api.md#oauth-lock and #oauth-refresh alone, so that what kmi does is met by
 * something that shares no line with it.
 */
export class KimiCodePeer {
  readonly #file: string;
  readonly #oauthHost: string;
  readonly lockFolder: string;
  compromised = 0;

  constructor(file: string, oauthHost: string) {
    this.#file = file;
    this.#oauthHost = oauthHost;
    this.lockFolder = `${join(dirname(dirname(file)), 'oauth', basename(file, '.json'))}.lock`;
  }

  /** Takes the lock and keeps it alive; resolves with what gives it back. */
  async lock(): Promise<() => Promise<void>> {
    await mkdir(dirname(this.lockFolder), { recursive: true });
    await writeFile(this.lockFolder.slice(0, -'.lock'.length), '', { flag: 'a' });
    for (let tries = 0; !(await this.#take()); tries += 1) {
      if (tries === 120) throw new Error('Unable to acquire OAuth refresh lock');
      await delay(500);
    }
    let mtime = await this.#beat();
    let isReleased = false;
    const timer = setInterval(async () => {
      const there = await stat(this.lockFolder).catch(() => null);
      if (isReleased) return;
      if (there?.mtime.getTime() === mtime) mtime = await this.#beat();
      else {
        this.compromised += 1;
        clearInterval(timer);
      }
    }, 2500);
    return async () => {
      isReleased = true;
      clearInterval(timer);
      await rmdir(this.lockFolder).catch(() => undefined);
    };
  }

  async #take(): Promise<boolean> {
    const make = () =>
      mkdir(this.lockFolder).then(
        () => true,
        () => false,
      );
    if (await make()) return true;
    const there = await stat(this.lockFolder).catch(() => null);
    if (there !== null && there.mtime.getTime() >= Date.now() - 5000) return false;
    await rmdir(this.lockFolder).catch(() => undefined);
    return make();
  }

  async #beat(): Promise<number> {
    const now = new Date();
    await utimes(this.lockFolder, now, now);
    return (await stat(this.lockFolder)).mtime.getTime();
  }

  /** A forced refresh, as after a 401 with `refusedToken`. Says what it ended with. */
  async refresh(refusedToken: string): Promise<'refreshed' | 'adopted' | 'tombstone'> {
    const release = await this.lock();
    try {
      const wire = await this.read();
      if (wire.access_token === '') return 'tombstone';
      if (wire.access_token !== refusedToken) return 'adopted';
      const answer = await fetch(`${this.#oauthHost}/api/oauth/token`, {
        method: 'POST',
        headers: { 'User-Agent': 'kimi-code-cli/2.1.0' },
        body: new URLSearchParams({
          client_id: '17e5f671-d194-4dfb-9706-5516cb48c098',
          grant_type: 'refresh_token',
          refresh_token: wire.refresh_token,
        }),
      });
      const body = (await answer.json()) as Wire;
      if (answer.status === 200) {
        await this.write({ ...body, expires_at: Math.floor(Date.now() / 1000) + body.expires_in });
        return 'refreshed';
      }
      await delay(100);
      if ((await this.read()).refresh_token !== wire.refresh_token) return 'adopted';
      await this.write({ ...wire, access_token: '', refresh_token: '', expires_at: 0, expires_in: 0 });
      return 'tombstone';
    } finally {
      await release();
    }
  }

  async read(): Promise<Wire> {
    return JSON.parse(await readFile(this.#file, 'utf8'));
  }

  async write({ access_token, refresh_token, expires_at, scope, token_type, expires_in }: Wire): Promise<void> {
    const temporary = `${this.#file}.tmp.${process.pid}.0a1b2c3d`;
    const handle = await open(temporary, 'w', 0o600);
    await handle.writeFile(
      `${JSON.stringify({ access_token, refresh_token, expires_at, scope, token_type, expires_in }, null, 2)}\n`,
    );
    await handle.sync();
    await handle.close();
    await rename(temporary, this.#file);
  }
}

export type Wire = {
  access_token: string;
  refresh_token: string;
  expires_at: number;
  scope: string;
  token_type: string;
  expires_in: number;
};
