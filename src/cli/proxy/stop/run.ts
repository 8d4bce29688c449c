import { examineDaemon } from '../../../daemon/examine.ts';
import type { DaemonState } from '../../../daemon/judge.ts';
import { removePidFile } from '../../../daemon/pid-file.ts';
import { stopDaemon } from '../../../daemon/stop.ts';
import { KmiError } from '../../../errors.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { askYesNo } from '../../ui/ask.ts';
import { durationText } from '../../ui/duration.ts';
import { explainState } from '../daemon-view.ts';
import { atRunningProxy } from '../running-proxy.ts';
import { addressOf } from '../start-check.ts';

export type StopCommandOptions = { readonly yes?: boolean; readonly force?: boolean };

/** `kmi proxy-stop`: exit 0 when no proxy of ours runs any more, 1 when one was left running or may not be touched. */
export const run: Command<StopCommandOptions> = async (context, options) => {
  const outcome = await stopProxy(context, options, 'Stop');
  return outcome === 'declined' ? 1 : 0;
};

/** Stops the proxy after asking. Throws `not_our_proxy` for whatever may not be signalled, `bad_usage` when it cannot ask. */
export async function stopProxy(
  given: CommandContext,
  { yes = false, force = false }: StopCommandOptions,
  verb: 'Stop' | 'Restart',
): Promise<'stopped' | 'not_running' | 'declined'> {
  // It may have been started with another address than the settings name now.
  const context = await atRunningProxy(given);
  const { config, out, err, errStyle } = context;
  const state = await examineDaemon(config);
  if (state.kind !== 'ours' && state.kind !== 'draining') return settleWithoutSignal(context, state);
  if (state.kind === 'draining') err(explainState(state, addressOf(context)).text);
  if (!yes) {
    const facts = state.kind === 'ours' ? `, up ${durationText(state.uptimeSeconds * 1000, 'down')}` : '';
    const question = `${verb} the proxy on ${addressOf(context)} (pid ${state.pid}${facts})?`;
    if (!(await askYesNo(question))) {
      err('Nothing was done.');
      return 'declined';
    }
  }
  const result = await stopDaemon(config, {
    force,
    onWaiting: (waitedMs) => {
      const waited = durationText(waitedMs, 'down');
      err(errStyle.dim(`Open requests finish (${waited}). Ctrl+C stops waiting; \`kmi proxy-stop -y -f\` cuts them off.`));
    },
  });
  if (result.kind === 'not_ours') return settleWithoutSignal(context, result.state);
  out(`The proxy (pid ${result.pid}) was ${force ? 'killed' : 'stopped'}.`);
  return 'stopped';
}

/** Nothing runs, which is what was wanted; or something does that is not to be touched. */
async function settleWithoutSignal(context: CommandContext, state: DaemonState): Promise<'not_running'> {
  if (state.kind === 'ours' || state.kind === 'draining') throw new KmiError('internal', 'A proxy of ours was not signalled.');
  const { text, hint } = explainState(state, addressOf(context));
  if (state.kind === 'stopped' || state.kind === 'crashed') {
    if (state.kind === 'crashed') await removePidFile(context.config.stateDir, state.pid);
    context.out(text);
    return 'not_running';
  }
  throw new KmiError('not_our_proxy', `${text} Nothing was signalled.`, { hint });
}
