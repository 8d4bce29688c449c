import type { Config } from '../config/settings.ts';
import { type DaemonState, judgeDaemon, type Recorded } from './judge.ts';
import { listensOn } from './listener.ts';
import { readPidFile } from './pid-file.ts';
import { probeProxy } from './probe.ts';
import { alivenessOf, commandLineOf } from './processes.ts';
import { wasToldToStop } from './stop-mark.ts';

/** A busy proxy may need longer for an answer than a status line can wait. */
const TIMEOUT_MS = 2_000;

/** Looks at the pid file and at `/healthz` and says where the proxy stands. */
export async function examineDaemon(
  config: Pick<Config, 'stateDir' | 'proxyListen' | 'proxyTlsCert'>,
  { timeoutMs = TIMEOUT_MS } = {},
): Promise<DaemonState> {
  const [probe, pid] = await Promise.all([probeProxy(config, timeoutMs), readPidFile(config.stateDir)]);
  return judgeDaemon(probe, pid === null ? null : await lookUp(pid, config));
}

async function lookUp(pid: number, { stateDir, proxyListen }: Pick<Config, 'stateDir' | 'proxyListen'>): Promise<Recorded> {
  const [aliveness, commandLine, isListener, isStopping] = await Promise.all([
    alivenessOf(pid),
    commandLineOf(pid),
    listensOn(pid, proxyListen.port),
    wasToldToStop(stateDir, pid),
  ]);
  return { pid, aliveness, commandLine, isListener, isStopping };
}
