import { join } from 'node:path';
import { sayUnreadableKeys } from '../../app-folders.ts';
import { zonedStamp } from '../../core/text/zoned-time.ts';
import { examineDaemon } from '../../daemon/examine.ts';
import type { DaemonState } from '../../daemon/judge.ts';
import { daemonOutputPath } from '../../daemon/output-file.ts';
import { proxyUrl } from '../../daemon/probe.ts';
import { type StartResult, startDaemon } from '../../daemon/start.ts';
import { KmiError } from '../../errors.ts';
import { loadRegistry } from '../../keys/registry.ts';
import { VERSION } from '../../version.ts';
import type { CommandContext } from '../command/context.ts';
import { durationText } from '../ui/duration.ts';
import { renderMode } from '../words/mode-line.ts';
import { explainState, renderProxyFacts } from './daemon-view.ts';
import { describeDifferences } from './proxy-words.ts';
import { atRunningProxy, withBoundPort } from './running-proxy.ts';
import { addressOf, refuseTakenPort, requireKeys } from './start-check.ts';

/** Lines of the log that tell why a start failed. */
const SHOWN_LINES = 20;

/**
 * Starts the proxy in the background and says where it is. One that runs already is success too. Throws `port_in_use`
 * and `proxy_not_started`.
 */
export async function startInBackground(context: CommandContext, { simulateWithoutKeys = false } = {}): Promise<number> {
  const { config } = context;
  const running = await atRunningProxy(context);
  if (running.proxy != null) {
    const found = await examineDaemon(running.config);
    if (found.kind === 'ours') return sayAlreadyRunning(running, found, context);
  }
  // Port 0 is nobody's: what can be in the way is the proxy on record.
  const asked = config.proxyListen.port === 0 ? running : context;
  const state = await examineDaemon(asked.config);
  if (state.kind === 'ours' || state.kind === 'unproven') return sayAlreadyRunning(asked, state, context);
  refuseTakenPort(state, addressOf(asked));
  if (state.kind !== 'stopped') context.err(context.errStyle.dim(explainState(state, addressOf(asked)).text));
  return start(context, simulateWithoutKeys);
}

/** Exit code 1 when it is not where `wanted` says: whoever goes on with that address would meet nobody. */
function sayAlreadyRunning(
  context: CommandContext,
  state: Extract<DaemonState, { kind: 'ours' | 'unproven' }>,
  wanted: CommandContext,
): number {
  const { config, out, err, style, errStyle, width } = context;
  out(`${style.strong('kmi proxy')} is already running.`);
  const facts = { url: proxyUrl(config), pid: state.pid, log: daemonOutputPath(config.stateDir), keys: null };
  for (const line of renderProxyFacts({ ...facts, uptimeSeconds: state.uptimeSeconds }, { columns: width, style })) out(line);
  if (state.kind === 'unproven') err(`${errStyle.warn('Note')}: ${explainState(state, addressOf(context)).text}`);
  if (state.version !== VERSION) {
    err(`${errStyle.warn('Note')}: it is version ${state.version}; this is ${VERSION}. \`kmi proxy-restart\` renews it.`);
  }
  if (context.proxy != null) for (const line of describeDifferences(context.proxy, wanted)) err(line);
  return proxyUrl(config) === proxyUrl(withBoundPort(wanted.config, config.proxyListen)) ? 0 : 1;
}

async function start(context: CommandContext, simulateWithoutKeys: boolean): Promise<number> {
  const { config, cwd, environment, out, err, style, errStyle, width } = context;
  const { keys, skipped } = simulateWithoutKeys ? await loadRegistry(config) : await requireKeys(context);
  sayUnreadableKeys(skipped, config, (message) => err(`kmi: ${message}`));
  err(keys.length > 0 ? renderMode(config, errStyle) : `${errStyle.warn('Simulated upstream')}: there are no keys.`);
  const result = await startDaemon(config, {
    args: simulateWithoutKeys ? ['--simulate-without-keys'] : [],
    headline: `${zonedStamp(Date.now(), config.timezone)} kmi proxy ${VERSION} starts.`,
    cwd,
    environment,
    onWaiting: (waitedMs) => err(errStyle.dim(`Waiting for the proxy to answer (${durationText(waitedMs, 'down')}).`)),
  });
  if (result.kind === 'failed') throw startFailed(context, result);
  const isOurs = result.kind === 'started';
  out(`${style.strong('kmi proxy')} ${isOurs ? 'runs in the background.' : 'is already running: another start was faster.'}`);
  const url = proxyUrl({ ...config, proxyListen: result.listen });
  const facts = { url, log: daemonOutputPath(config.stateDir), uptimeSeconds: null };
  for (const line of renderProxyFacts({ ...facts, ...result }, { columns: width, style })) out(line);
  if (keys.length > 0 && config.proxyToken === '') {
    err(errStyle.dim('Any program of this machine may use it; `kmi proxy --make-token` makes a token for your own.'));
  }
  return 0;
}

function startFailed({ config, err, errStyle }: CommandContext, { reason, output }: Extract<StartResult, { kind: 'failed' }>) {
  const shown = output.slice(-SHOWN_LINES);
  if (shown.length > 0) err(errStyle.dim(`Its log says (${join('logs', 'proxy.out')} in ${config.stateDir}):`));
  for (const line of shown) err(`  ${withoutStamp(line)}`);
  return new KmiError('proxy_not_started', `The proxy did not start: ${reason}.`);
}

/** The lines of one run were all printed now. */
function withoutStamp(line: string): string {
  return line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} /, '');
}
