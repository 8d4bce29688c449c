import { sayUnreadableKeys } from '../../app-folders.ts';
import { loadKeys } from '../../app-keys.ts';
import { modeOf } from '../../core/clients/proxy-mode.ts';
import { examineDaemon } from '../../daemon/examine.ts';
import type { DaemonState } from '../../daemon/judge.ts';
import { daemonOutputPath } from '../../daemon/output-file.ts';
import { proxyUrl } from '../../daemon/probe.ts';
import { VERSION } from '../../version.ts';
import type { CommandContext } from '../command/context.ts';
import { renderMode } from '../words/mode-line.ts';
import { explainState } from './daemon-view.ts';
import { launchProxy } from './launch-proxy.ts';
import { oneStartAtATime } from './one-start.ts';
import { describeDifferences } from './proxy-words.ts';
import { atPort, atRunningProxy } from './running-proxy.ts';
import { addressOf, refuseTakenPort, requireKeys } from './start-check.ts';
import { sayProxy } from './start-report.ts';

export type BackgroundOptions = {
  readonly simulateWithoutKeys?: boolean;
  /** What `--port` gives it for this run. */
  readonly port?: number | null;
  /** What is said on standard output is one JSON value. */
  readonly json?: boolean;
};

/**
 * Starts the proxy in the background and says where it is. One that runs already is success too. Throws `port_in_use`
 * and `proxy_not_started`.
 */
export function startInBackground(context: CommandContext, options: BackgroundOptions = {}): Promise<number> {
  return oneStartAtATime(context.config, () => startOrFind(context, options));
}

async function startOrFind(context: CommandContext, options: BackgroundOptions): Promise<number> {
  const { simulateWithoutKeys = false, port = null, json = false } = options;
  const { config } = context;
  const running = await atRunningProxy(context);
  if (running.proxy != null) {
    const found = await examineDaemon(running.config);
    if (found.kind === 'ours') return sayAlreadyRunning(running, found, context, json);
  }
  // Nothing listens on port 0: only the proxy on record can be in the way.
  const asked = config.proxyListen.port === 0 ? running : context;
  const state = await examineDaemon(asked.config);
  if (state.kind === 'ours' || state.kind === 'unproven') return sayAlreadyRunning(asked, state, context, json);
  refuseTakenPort(state, addressOf(asked));
  if (state.kind !== 'stopped') context.err(context.errStyle.dim(explainState(state, addressOf(asked)).text));
  const args = [...(simulateWithoutKeys ? ['--simulate-without-keys'] : []), ...(port === null ? [] : ['--port', String(port)])];
  return start(context, { simulateWithoutKeys, json }, args);
}

/** Exit code 1 when it is not where `wanted` says: a script that uses that address would find no proxy. */
function sayAlreadyRunning(
  context: CommandContext,
  state: Extract<DaemonState, { kind: 'ours' | 'unproven' }>,
  wanted: CommandContext,
  json: boolean,
): number {
  const { config, err, errStyle } = context;
  const { pid, version, uptimeSeconds } = state;
  const facts = { url: proxyUrl(config), pid, log: daemonOutputPath(config.stateDir), keys: null, uptimeSeconds };
  sayProxy(
    context,
    'is already running.',
    { isStarted: false, version, mode: modeOf(context.proxy?.settings ?? config), facts },
    json,
  );
  if (state.kind === 'unproven') err(`${errStyle.warn('Note')}: ${explainState(state, addressOf(context)).text}`);
  if (state.version !== VERSION) {
    err(`${errStyle.warn('Note')}: it is version ${state.version}; this is ${VERSION}. \`kmi restart\` renews it.`);
  }
  const differing = context.proxy == null ? [] : describeDifferences(context.proxy, wanted);
  for (const line of differing) err(line);
  const wantedUrl = proxyUrl(atPort(wanted.config, wanted.config.proxyListen.port || config.proxyListen.port));
  if (proxyUrl(config) === wantedUrl) return 0;
  if (differing.length === 0) {
    err(`${errStyle.warn('Note')}: it was started with --port, so it does not serve ${wantedUrl}. \`kmi stop\` stops it.`);
  }
  return 1;
}

async function start(
  context: CommandContext,
  { simulateWithoutKeys, json }: { readonly simulateWithoutKeys: boolean; readonly json: boolean },
  args: readonly string[],
): Promise<number> {
  const { config, err, errStyle } = context;
  const { keys, skipped } = simulateWithoutKeys ? await loadKeys(config) : await requireKeys(context);
  sayUnreadableKeys(skipped, config, (message) => err(`kmi: ${message}`));
  err(keys.length > 0 ? renderMode(config, errStyle) : `${errStyle.warn('Simulated upstream')}: there are no keys.`);
  const result = await launchProxy(context, { args });
  const isOurs = result.kind === 'started';
  const url = proxyUrl({ ...config, proxyListen: result.listen });
  const facts = { url, pid: result.pid, keys: result.keys, log: daemonOutputPath(config.stateDir), uptimeSeconds: null };
  const mode = keys.length === 0 ? 'simulated' : modeOf(config);
  const headline = isOurs ? 'runs in the background.' : 'is already running: another start was faster.';
  sayProxy(context, headline, { isStarted: isOurs, version: VERSION, mode, facts }, json);
  if (keys.length > 0 && config.proxyToken === '') {
    err(errStyle.dim('Any program on this machine may use it; `kmi proxy --make-token` makes a token for your own.'));
  }
  return 0;
}
