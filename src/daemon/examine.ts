import type { Config } from '../config/settings.ts';
import { pidAt } from './find.ts';
import { type DaemonState, judgeDaemon, type Recorded } from './judge.ts';
import { listensOn } from './listener.ts';
import { probeProxy } from './probe.ts';
import { alivenessOf, commandLineOf } from './processes.ts';
import { wasToldToStop } from './stop-mark.ts';

/** A busy proxy may need longer for an answer than a status line can wait. */
const TIMEOUT_MS = 2_000;

/** Looks at what the proxy wrote into the state folder and at `/healthz`, and says where the proxy of this address stands. */
export async function examineDaemon(
  config: Pick<Config, 'stateDir' | 'proxyListen' | 'proxyTlsCert'>,
  { timeoutMs = TIMEOUT_MS } = {},
): Promise<DaemonState> {
  const [probe, pid] = await Promise.all([probeProxy(config, timeoutMs), pidAt(config)]);
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
