import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Listen } from '../config/kinds.ts';
import type { Config } from '../config/settings.ts';
import { CLI_PATH } from '../version.ts';
import { daemonEnvironment } from './environment.ts';
import { openDaemonOutput, readDaemonOutput } from './output-file.ts';
import { writePidFile } from './pid-file.ts';
import { type ProxyKeyCounts, probeProxy } from './probe.ts';
import { isRecorded, readRecords } from './record.ts';
import { removeStopMark } from './stop-mark.ts';

export type StartOptions = {
  /** Arguments after `proxy --foreground --detached`. Nothing secret: other users see them. */
  readonly args: readonly string[];
  /** The folder this command works in: relative paths in `environment` begin there. */
  readonly cwd: string;
  /** What of it concerns the proxy is handed down. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** First line of this run in its log. */
  readonly headline: string;
  /** The program to run in place of this project's own. */
  readonly program?: string;
  readonly timeoutMs?: number;
  /** Called about once a second while it has not answered. */
  readonly onWaiting?: (waitedMs: number) => void;
};

export type StartResult =
  /** `listen` is where, with the port really bound. */
  | { readonly kind: 'started'; readonly pid: number; readonly listen: Listen; readonly keys: ProxyKeyCounts }
  /** Another start was faster: its proxy serves. */
  | { readonly kind: 'overtaken'; readonly pid: number; readonly listen: Listen; readonly keys: ProxyKeyCounts }
  /** `output` is what it printed. */
  | { readonly kind: 'failed'; readonly reason: string; readonly output: readonly string[] };

const TIMEOUT_MS = 30_000;
const POLL_MS = 50;
const TELL_EVERY_MS = 1_000;

/**
 * Starts the proxy as a process of its own and waits until it answers `/healthz` with its own pid. One that ends before
 * that, or says nothing for `timeoutMs`, is a failure; it is then not left running.
 */
export async function startDaemon(
  config: Pick<Config, 'stateDir' | 'proxyListen' | 'proxyTlsCert'>,
  options: StartOptions,
): Promise<StartResult> {
  const output = await openDaemonOutput(config.stateDir, options.headline);
  let child: ChildProcess;
  try {
    child = await spawnProxy(options, output.handle.fd);
  } finally {
    await output.handle.close();
  }
  const outcome = await waitForAnswer(config, child, options);
  if (outcome.kind === 'answers') {
    await writePidFile(config.stateDir, child.pid as number);
    await untilRecorded(config.stateDir, child.pid as number);
    await removeStopMark(config.stateDir);
    child.unref();
    return { kind: 'started', pid: child.pid as number, listen: outcome.listen, keys: outcome.keys };
  }
  if (outcome.kind === 'ended') {
    const probe = await probeProxy(config);
    if (probe.kind === 'running') return { kind: 'overtaken', pid: probe.pid, listen: config.proxyListen, keys: probe.keys };
  } else {
    child.kill('SIGKILL');
  }
  return { kind: 'failed', reason: outcome.reason, output: await readDaemonOutput(config.stateDir, output.offset) };
}

async function spawnProxy({ args, cwd, environment, program }: StartOptions, output: number): Promise<ChildProcess> {
  const script = program ?? CLI_PATH;
  // A debugger's port is taken by this process.
  const nodeArgs = process.execArgv.filter((argument) => !argument.startsWith('--inspect'));
  // It starts where this command stands, though the folder may be gone: so it finds the same settings.
  const child = spawn(process.execPath, [...nodeArgs, script, '--no-color', 'proxy', '--foreground', '--detached', ...args], {
    env: daemonEnvironment(environment, cwd),
    detached: true,
    windowsHide: true,
    stdio: ['ignore', output, output],
  });
  await once(child, 'spawn');
  return child;
}

/** It answers a moment before it has written down what it is; where it cannot write, it has said so in its log. */
const RECORD_WAIT_MS = 5_000;

async function untilRecorded(stateDir: string, pid: number): Promise<void> {
  const until = performance.now() + RECORD_WAIT_MS;
  while (!(await isRecorded(stateDir, pid)) && performance.now() < until) await sleep(POLL_MS / 5);
}

/** Where the process listens: with port 0 it says so in its record, once it does. */
async function boundBy(pid: number, { stateDir, proxyListen }: Pick<Config, 'stateDir' | 'proxyListen'>): Promise<Listen> {
  if (proxyListen.port !== 0) return proxyListen;
  const record = (await readRecords(stateDir)).find((one) => one.pid === pid);
  return record?.settings.proxyListen ?? proxyListen;
}

type Outcome =
  | { readonly kind: 'answers'; readonly listen: Listen; readonly keys: ProxyKeyCounts }
  | { readonly kind: 'ended' | 'silent'; readonly reason: string };

async function waitForAnswer(
  config: Pick<Config, 'stateDir' | 'proxyListen' | 'proxyTlsCert'>,
  child: ChildProcess,
  { timeoutMs = TIMEOUT_MS, onWaiting }: StartOptions,
): Promise<Outcome> {
  const startedAt = performance.now();
  let toldAt = startedAt;
  for (;;) {
    if (child.exitCode !== null) return { kind: 'ended', reason: `it ended with exit code ${child.exitCode}` };
    if (child.signalCode !== null) return { kind: 'ended', reason: `it was ended by ${child.signalCode}` };
    const proxyListen = await boundBy(child.pid as number, config);
    const probe = await probeProxy({ ...config, proxyListen });
    if (probe.kind === 'running' && probe.pid === child.pid) return { kind: 'answers', listen: proxyListen, keys: probe.keys };
    const now = performance.now();
    if (now - startedAt > timeoutMs) return { kind: 'silent', reason: `it did not answer within ${timeoutMs / 1000} s` };
    if (now - toldAt >= TELL_EVERY_MS) {
      toldAt = now;
      onWaiting?.(now - startedAt);
    }
    await sleep(POLL_MS);
  }
}
