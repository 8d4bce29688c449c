import type { Changes } from '../../core/clients/client-environment.ts';
import { changeEnvironment } from '../../core/clients/client-environment.ts';
import { modeOf } from '../../core/clients/proxy-mode.ts';
import type { ProxyProbe } from '../../daemon/probe.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import type { CommandContext } from '../command/context.ts';

const NOT_RUNNABLE = 126;
const NOT_FOUND = 127;

/** A busy machine must not keep a client from a proxy that runs. */
const PROBE_TIMEOUT_MS = 3000;

export type RunningProbe = Extract<ProxyProbe, { kind: 'running' }>;

/** A proxy that answers, and the context with its address. */
export type Proxied = { readonly probe: RunningProbe; readonly context: CommandContext };

/**
 * The proxy that answers at its address, started when none runs there. Throws `proxy_unreachable` when something else is the matter,
 * because a client would only show a connection error, and whatever keeps the proxy from starting.
 */
export async function requireProxy(context: CommandContext): Promise<Proxied> {
  let { config } = context;
  const { probeProxy, proxyUrl } = await import('../../daemon/probe.ts');
  let probe = await probeProxy(config, PROBE_TIMEOUT_MS);
  if (probe.kind === 'nothing') {
    const { startForClient } = await import('../proxy/autostart.ts');
    config = { ...config, proxyListen: await startForClient(context) };
    probe = await probeProxy(config, PROBE_TIMEOUT_MS);
  }
  if (probe.kind === 'running') return { probe, context: { ...context, config } };
  const url = proxyUrl(config);
  if (probe.kind === 'nothing') {
    const where = config.proxyListen.port === 0 ? '' : ` at ${url}`;
    throw new KmiError('proxy_unreachable', `No proxy runs${where}.`);
  }
  if (probe.kind === 'unreachable') throw new KmiError('proxy_unreachable', `No proxy answers at ${url}: ${probe.reason}.`);
  throw new KmiError('proxy_unreachable', `Another program answers at ${url}: ${probe.answer}.`, {
    hint: 'Stop it, or use another port: `kmi config set KMI_PROXY_LISTEN 127.0.0.1:8080`.',
  });
}

/**
 * Says on standard error which mode the client will meet, by the word of the proxy itself. A script's output stays as it is
 * without kmi, except that made-up answers are always called so.
 */
export function announceMode(context: CommandContext, { about }: RunningProbe): void {
  const { config, loaded, err, errStyle: style } = context;
  const mode = about?.mode ?? modeOf(config);
  if (mode === 'simulated') err(`kmi: ${style.warn('simulated')}: the proxy has no keys, and made-up accounts answer.`);
  if (mode === 'dry-run') {
    const isLiveHere = !loaded.config.dryRun;
    const remedy = isLiveHere ? '`kmi restart` applies KMI_DRY_RUN=0.' : '`kmi config set KMI_DRY_RUN 0` goes live.';
    err(`kmi: ${style.warn('dry-run')}: answers are simulated. ${remedy}`);
  }
  if (mode === 'live' && process.stderr.isTTY) err(style.dim('kmi: live, through the proxy.'));
  if (lacksToken(context)) sayLackedToken(context);
}

/** The running proxy requires a token, and none is known here. */
export function lacksToken({ config, proxy }: CommandContext): boolean {
  return proxy?.asksToken === true && config.proxyToken === '';
}

export function sayLackedToken({ err, errStyle: style }: CommandContext): void {
  err(`kmi: ${style.warn('the proxy asks for a token')}, and no setting here holds it. Set KMI_PROXY_TOKEN.`);
}

/** Runs the program with the variables changed and answers its exit code; 126 and 127 when it cannot be run, as in a shell. */
export async function runClient(
  { environment, err }: CommandContext,
  { program, args, changes }: { readonly program: string; readonly args: readonly string[]; readonly changes: Changes },
): Promise<number> {
  const { launch } = await import('../../launch/launch.ts');
  try {
    return await launch({ program, args, environment: changeEnvironment(environment, changes) });
  } catch (error) {
    const reason = reasonOf(error);
    err(`kmi: ${program} cannot be run: ${reason === 'ENOENT' ? 'there is no such program on the PATH' : reason}.`);
    return reason === 'ENOENT' ? NOT_FOUND : NOT_RUNNABLE;
  }
}
