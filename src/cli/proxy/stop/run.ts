import { durationText } from '../../../core/text/duration.ts';
import { examineDaemon } from '../../../daemon/examine.ts';
import type { DaemonState } from '../../../daemon/judge.ts';
import { removePidFile } from '../../../daemon/pid-file.ts';
import { stopDaemon } from '../../../daemon/stop.ts';
import { KmiError } from '../../../errors.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { explainState } from '../daemon-view.ts';
import { atRunningProxy } from '../running-proxy.ts';
import { addressOf } from '../start-check.ts';

export type StopCommandOptions = { readonly force?: boolean };

/** `kmi stop`: exit 0 when no proxy of ours runs any more, 1 when one may not be touched. */
export const run: Command<StopCommandOptions> = async (context, options) => {
  await stopProxy(context, options);
  return 0;
};

/** Stops the proxy if one runs. Throws `not_our_proxy` for whatever may not be signalled. */
export async function stopProxy(given: CommandContext, { force = false }: StopCommandOptions): Promise<void> {
  // It may have been started with another address than the settings name now.
  const context = await atRunningProxy(given);
  const { config, out, err, errStyle } = context;
  const state = await examineDaemon(config);
  if (state.kind !== 'ours' && state.kind !== 'draining') return settleWithoutSignal(context, state);
  if (state.kind === 'draining') err(explainState(state, addressOf(context)).text);
  const result = await stopDaemon(config, {
    force,
    onWaiting: (waitedMs) => {
      const waited = durationText(waitedMs, 'down');
      err(errStyle.dim(`Open requests finish (${waited}). Ctrl+C stops waiting; \`kmi stop -f\` cuts them off.`));
    },
  });
  if (result.kind === 'not_ours') return settleWithoutSignal(context, result.state);
  out(`The proxy (pid ${result.pid}) was ${force ? 'killed' : 'stopped'}.`);
}

/** Nothing runs, which is what was wanted; or something does that is not to be touched. */
async function settleWithoutSignal(context: CommandContext, state: DaemonState): Promise<void> {
  if (state.kind === 'ours' || state.kind === 'draining') throw new KmiError('internal', 'A proxy of ours was not signalled.');
  const { text, hint } = explainState(state, addressOf(context));
  if (state.kind === 'stopped' || state.kind === 'crashed') {
    if (state.kind === 'crashed') await removePidFile(context.config.stateDir, state.pid);
    context.out(text);
    return;
  }
  throw new KmiError('not_our_proxy', `${text} Nothing was signalled.`, { hint });
}
