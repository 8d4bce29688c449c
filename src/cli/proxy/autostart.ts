import type { Listen } from '../../config/kinds.ts';
import { examineDaemon } from '../../daemon/examine.ts';
import { ERRORS, KmiError } from '../../errors.ts';
import type { CommandContext } from '../command/context.ts';
import { launchProxy } from './launch-proxy.ts';
import { oneStartAtATime } from './one-start.ts';
import { atRunningProxy } from './running-proxy.ts';
import { addressOf, refuseTakenPort, requireKeys } from './start-check.ts';

/** A start that takes longer is worth a further line. */
const SLOW_MS = 5000;

/**
 * Starts the proxy in the background, as `kmi proxy` does, for a client that finds none, and waits until it answers. One line on
 * standard error says so; standard output stays the client's. Comes back with the address it has. Throws `no_keys`, `port_in_use` and
 * `proxy_not_started`.
 */
export function startForClient(context: CommandContext): Promise<Listen> {
  return oneStartAtATime(context.config, () => startOrFind(context));
}

async function startOrFind(context: CommandContext): Promise<Listen> {
  const { config, err } = context;
  // Another command has started it since.
  const running = await atRunningProxy(context);
  if (running.proxy != null && (await examineDaemon(running.config)).kind === 'ours') return running.config.proxyListen;
  // Nothing listens on port 0.
  if (config.proxyListen.port !== 0) {
    const state = await examineDaemon(config);
    if (state.kind === 'ours' || state.kind === 'unproven') return config.proxyListen;
    refuseTakenPort(state, addressOf(context));
  }
  await requireKeys(context).catch((error: unknown) => {
    throw asNotStarted(error);
  });
  err('kmi: No proxy runs; starting one. `kmi stop` stops it.');
  return (await launchProxy(context, { slowMs: SLOW_MS })).listen;
}

/** The missing keys are said as what keeps the proxy from starting. */
function asNotStarted(error: unknown): unknown {
  if (!(error instanceof KmiError) || error.code !== 'no_keys') return error;
  const hint =
    error.hint === ERRORS.no_keys.hint
      ? 'Log in with `kmi login`, add one with `kmi keys add`, or set kmi up with `kmi up`.'
      : error.hint;
  return new KmiError('no_keys', `The proxy cannot start. ${error.message}`, { hint, cause: error });
}
