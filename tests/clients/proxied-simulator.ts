import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountSpec, type ReceivedRequest, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { startKmi } from '../support/spawn.ts';

export type ProxiedSimulator = {
  readonly home: TemporaryHome;
  /** Where the proxy serves. */
  readonly url: string;
  readonly simulator: Simulator;
  /** Answered chats since the last call: path and account, in order of arrival. */
  readonly takeChats: () => string[];
  /** Ends the proxy, so that everything it counted is saved. */
  readonly stop: () => Promise<void>;
};

/** The built proxy in live auto-rotation over these accounts of a simulator. */
export async function startProxiedSimulator(
  settings: Readonly<Record<string, string>> = {},
  names: readonly string[] = ['ada', 'ben'],
): Promise<ProxiedSimulator> {
  const home = await temporaryHome();
  const accounts: AccountSpec[] = [];
  for (const name of names) accounts.push({ name, keys: [(await home.addKey({ label: name })).key] });
  const simulator = await startSimulator({ accounts });
  cleanUp(() => simulator.close());
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, auto_rotate: true }));
  const proxy = await startKmi(['proxy', '--foreground'], {
    cwd: home.root,
    env: {
      ...home.env,
      KMI_UPSTREAM_BASE_URL: simulator.baseUrl,
      KMI_DRY_RUN: '0',
      KMI_AUTO_ROTATE_ALLOWED: '1',
      ...settings,
    },
  });
  const [, url = ''] = await proxy.waitForOutput(/serves (\S+)/);
  let seen = 0;
  return {
    home,
    url,
    simulator,
    stop: async () => void (await proxy.stop()),
    takeChats() {
      const chats = simulator.received.slice(seen).filter(isAnsweredChat);
      seen = simulator.received.length;
      return chats.map(({ path, account }) => `${path.slice('/coding/v1'.length)} ${account}`);
    },
  };
}

function isAnsweredChat({ path, status }: ReceivedRequest): boolean {
  return status === 200 && (path.endsWith('/chat/completions') || path.endsWith('/messages'));
}
