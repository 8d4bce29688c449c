import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { InstalledClients } from './installed-clients.ts';
import { ALONE, type Printed, pathWithKimi, runKimi } from './kimi-environment.ts';

/** Kimi Code with a home of its own, whose authorisation server and API are a simulator: no proxy is in between. */
export type LoggingInKimi = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs it to its end. */
  run(args: readonly string[]): Promise<Printed>;
  /** `kimi login`, which must ask for a new code; it is approved for the account. What was printed, and the code. */
  logIn(account: string): Promise<Printed & { readonly userCode: string }>;
  /** The credential file; there is one slot only. Rejects before the first login. */
  credentialFile(): Promise<string>;
};

export async function kimiAt(clients: InstalledClients, simulator: Simulator, cwd: string): Promise<LoggingInKimi> {
  const bin = join(cwd, 'bin');
  const kimiHome = join(cwd, '.kimi-code');
  // A login opens a browser where it finds one.
  await mkdir(bin);
  for (const opener of ['xdg-open', 'open']) await writeFile(join(bin, opener), '#!/bin/sh\n', { mode: 0o755 });
  const env = {
    PATH: `${bin}${delimiter}${pathWithKimi(clients)}`,
    HOME: cwd,
    KIMI_CODE_HOME: kimiHome,
    ...ALONE,
    KIMI_CODE_BASE_URL: simulator.baseUrl,
    KIMI_CODE_OAUTH_HOST: simulator.origin,
  };
  const run = (args: readonly string[]) => runKimi(clients, args, cwd, env);
  return {
    cwd,
    env,
    run,
    async logIn(account) {
      const login = run(['login']);
      await simulator.waitFor(() => simulator.oauth.pending.length > 0, 60_000);
      const [userCode = ''] = simulator.oauth.pending;
      simulator.oauth.approve(userCode, account);
      return { ...(await login), userCode };
    },
    async credentialFile() {
      const folder = join(kimiHome, 'credentials');
      const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
      if (names.length !== 1) throw new Error(`There are ${names.length} credential files in ${folder}.`);
      return join(folder, names[0] as string);
    },
  };
}
