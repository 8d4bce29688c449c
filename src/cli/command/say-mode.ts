import { modeOf } from '../../core/clients/proxy-mode.ts';
import { renderMode } from '../words/mode-line.ts';
import type { CommandContext } from './context.ts';

/**
 * Whether what a view of requests shows is real, by the mode of the proxy that runs. On standard error, so that lines stay lines; that
 * requests are real is said to a person only.
 */
export function sayMode({ proxy, config, err, errStyle }: CommandContext): void {
  if (proxy == null) return;
  if (modeOf(config) !== 'live' || process.stderr.isTTY === true) err(renderMode(config, errStyle));
}
