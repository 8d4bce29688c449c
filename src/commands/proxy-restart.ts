import type { Command } from './context.ts';
import { type StopCommandOptions, stopProxy } from './proxy-stop.ts';
import { startInBackground } from './start-proxy.ts';

/** `kmi proxy-restart`: stops the proxy if one runs, then starts it in the background. */
export const run: Command<StopCommandOptions> = async (context, options) => {
  const outcome = await stopProxy(context, options, 'Restart');
  return outcome === 'declined' ? 1 : startInBackground(context);
};
