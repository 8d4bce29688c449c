import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The clients as their makers publish them; Kimi Code needs a newer Node than kmi does. */
const PACKAGES = {
  node: '24.21.0',
  '@moonshot-ai/kimi-code': '2.1.0',
  openai: '6.49.0',
  '@anthropic-ai/sdk': '1.10.0',
};

export type InstalledClients = {
  /** Holds `kimi`, and the `node` it is run by. */
  readonly binFolder: string;
  /** Loads one of the packages into this process. */
  readonly load: NodeJS.Require;
};

/** Installs the clients below node_modules/.cache, once a machine and set of versions. */
export async function installClients(): Promise<InstalledClients> {
  const cache = resolve(import.meta.dirname, '../../node_modules/.cache');
  const name = Object.values(PACKAGES).join('_');
  const folder = join(cache, `kmi-clients-${process.platform}-${process.arch}-${name}`);
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true });
    const unfinished = await mkdtemp(`${folder}.unfinished-`);
    try {
      await npmInstall(unfinished);
      await rename(unfinished, folder);
    } catch (error) {
      // Another run may have been quicker.
      if (!existsSync(folder)) throw error;
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
  return { binFolder: join(folder, 'node_modules/.bin'), load: createRequire(join(folder, 'package.json')) };
}

async function npmInstall(folder: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: PACKAGES }));
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  // On Windows npm is a batch file, which only a shell can start.
  const options = { cwd: folder, timeout: 280_000, shell: process.platform === 'win32' };
  await promisify(execFile)('npm', args, options);
}
