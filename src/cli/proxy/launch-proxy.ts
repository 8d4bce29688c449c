import { join } from 'node:path';
import { durationText } from '../../core/text/duration.ts';
import { zonedStamp } from '../../core/text/zoned-time.ts';
import { type StartResult, startDaemon } from '../../daemon/start.ts';
import { KmiError } from '../../errors.ts';
import { VERSION } from '../../version.ts';
import type { CommandContext } from '../command/context.ts';

/** Lines of the log that tell why a start failed. */
const SHOWN_LINES = 20;

export type LaunchOptions = {
  /** Arguments of `kmi proxy` that are handed on. */
  readonly args?: readonly string[];
  /** How long it may take without a word. */
  readonly slowMs?: number;
};

/** Starts the background proxy and waits until it answers. Throws `proxy_not_started`, after the log has been shown. */
export async function launchProxy(
  context: CommandContext,
  { args = [], slowMs = 0 }: LaunchOptions = {},
): Promise<Exclude<StartResult, { kind: 'failed' }>> {
  const { config, cwd, environment, err, errStyle } = context;
  const result = await startDaemon(config, {
    args,
    headline: `${zonedStamp(Date.now(), config.timezone)} kmi proxy ${VERSION} starts.`,
    cwd,
    environment,
    onWaiting: (waitedMs) => {
      if (waitedMs >= slowMs) err(errStyle.dim(`Waiting for the proxy to answer (${durationText(waitedMs, 'down')}).`));
    },
  });
  if (result.kind === 'failed') throw startFailed(context, result);
  return result;
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
