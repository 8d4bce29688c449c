import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type HomeWithPort, homeWithPort, type TemporaryHome, temporaryHome } from '../support/home.ts';
import { type Finished, runKmi } from '../support/spawn.ts';

export type DaemonHome<Home extends TemporaryHome = TemporaryHome> = Home & {
  /** Runs the built binary in this home. */
  readonly kmi: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Finished>;
  /** Starts the proxy in the background and answers its pid. */
  readonly start: () => Promise<number>;
  /** What the last start or command printed as the proxy's address. */
  readonly url: () => string;
  /** The pid in proxy.pid; null when there is none. */
  readonly pid: () => Promise<number | null>;
};

/** A home whose background proxy, if it is left running, is killed when the test file is done. */
export async function daemonHome(settings: Readonly<Record<string, string>> = {}): Promise<DaemonHome> {
  return daemonIn(await temporaryHome(), settings);
}

/** The same, for what is about a port that somebody else may hold. */
export async function daemonHomeWithPort(settings: Readonly<Record<string, string>> = {}): Promise<DaemonHome<HomeWithPort>> {
  return daemonIn(await homeWithPort(), settings);
}

function daemonIn<Home extends TemporaryHome>(home: Home, settings: Readonly<Record<string, string>> = {}): DaemonHome<Home> {
  let address = '';
  const settled = { ...home.env, ...settings };
  const kmi: DaemonHome['kmi'] = async (args, env = {}) => {
    const finished = await runKmi(args, { env: { ...settled, ...env }, cwd: home.root, timeoutMs: 40_000 });
    address = addressIn(finished) || address;
    return finished;
  };
  const pid = async () => Number(await readFile(join(home.stateDir, 'proxy.pid'), 'utf8').catch(() => '')) || null;
  const start = async () => {
    const { code, stdout, stderr } = await kmi(['proxy']);
    const started = Number(/^ {2}pid {2,}(\d+)/m.exec(stdout)?.[1]);
    if (code !== 0 || Number.isNaN(started)) throw new Error(`The proxy did not start (${code}):\n${stdout}${stderr}`);
    cleanUp(async () => kill(started));
    return started;
  };
  return { ...home, env: settled, kmi, start, pid, url: () => address };
}

/** The address that `kmi proxy` printed; empty without one. */
export function addressIn({ stdout }: Finished): string {
  return /^ {2}address {2,}(\S+)/m.exec(stdout)?.[1] ?? '';
}

/** What was said less the lines that come once a second for as long as a start or a stop takes: on a busy machine there are some. */
export function withoutProgress(finished: Finished): Finished {
  return {
    ...finished,
    stderr: finished.stderr.replace(/^(?:Waiting for the proxy to answer|Open requests finish) \(.*\n/gm, ''),
  };
}

/** Ends a process that this test file has started. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** A daemon's home in live mode, with one key, in front of a simulator. */
export function liveHome(options: Partial<SimulatorOptions> = {}): Promise<{ home: DaemonHome; simulator: Simulator }> {
  return live(daemonHome, options);
}

/** The same, for what is about a port that somebody else may hold. */
export function liveHomeWithPort(): Promise<{ home: DaemonHome<HomeWithPort>; simulator: Simulator }> {
  return live(daemonHomeWithPort);
}

async function live<Home extends DaemonHome>(
  makeHome: (settings: Readonly<Record<string, string>>) => Promise<Home>,
  options: Partial<SimulatorOptions> = {},
): Promise<{ home: Home; simulator: Simulator }> {
  const simulator = await startSimulator({ accounts: [{ name: 'ada', keys: ['sk-test-ada'] }], ...options });
  cleanUp(() => simulator.close());
  const home = await makeHome({ KMI_DRY_RUN: '0', KMI_UPSTREAM_BASE_URL: simulator.baseUrl });
  await home.addKey({ label: 'ada', key: 'sk-test-ada' });
  return { home, simulator };
}
