import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanUp } from '../support/cleanup.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser on the PATH; null when there is none. */
export const CHROMIUM = NAMES.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) ?? null;

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--disable-default-apps', '--no-proxy-server'],
];

/** Opens a page in a browser of its own, with every `*.test` name at 127.0.0.1; it ends with the test file. */
export async function openPage(url: string): Promise<void> {
  const profile = await mkdtemp(join(tmpdir(), 'kmi-chromium-'));
  const resolver = '--host-resolver-rules=MAP *.test 127.0.0.1, MAP localhost 127.0.0.1, EXCLUDE 127.0.0.1, MAP * ~NOTFOUND';
  const browser = spawn(
    CHROMIUM as string,
    [...FLAGS, resolver, `--user-data-dir=${profile}`, '--remote-debugging-port=0', url],
    {
      stdio: 'ignore',
      env: { PATH: process.env.PATH ?? '', HOME: profile },
    },
  );
  const ended = once(browser, 'exit');
  cleanUp(async () => {
    browser.kill('SIGTERM');
    const killer = setTimeout(() => browser.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(killer);
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  await once(browser, 'spawn');
}
