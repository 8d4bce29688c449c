import type { Config } from '../../config/settings.ts';
import { modeOf, type ProxyMode } from '../../core/clients/proxy-mode.ts';
import type { Style } from '../ui/style.ts';

/** What becomes of requests in a mode. */
export const MODE_WORDS: Readonly<Record<ProxyMode, string>> = {
  simulated: 'Made-up accounts answer; nothing is sent to the upstream.',
  'dry-run': 'Nothing is sent to the upstream; KMI_DRY_RUN=0 makes it live.',
  live: 'Requests go to the upstream.',
};

const NAMES: Readonly<Record<ProxyMode, string>> = { simulated: 'Simulated', 'dry-run': 'Dry-run', live: 'Live' };

/** What a command that can send or simulate traffic says first. */
export function renderMode(config: Pick<Config, 'dryRun' | 'isSimulated'>, style: Style): string {
  const mode = modeOf(config);
  const [first = '', ...rest] = MODE_WORDS[mode];
  return `${(mode === 'live' ? style.good : style.warn)(NAMES[mode])}: ${first.toLowerCase()}${rest.join('')}`;
}
