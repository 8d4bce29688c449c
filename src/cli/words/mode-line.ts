import type { Config } from '../../config/settings.ts';
import { modeOf } from '../../core/clients/proxy-mode.ts';
import type { Style } from '../ui/style.ts';

/** What a command that can send or simulate traffic says first. */
export function renderMode(config: Pick<Config, 'dryRun' | 'isSimulated'>, style: Style): string {
  switch (modeOf(config)) {
    case 'simulated':
      return `${style.warn('Simulated')}: made-up accounts answer; nothing is sent to the upstream.`;
    case 'dry-run':
      return `${style.warn('Dry-run')}: nothing is sent to the upstream; KMI_DRY_RUN=0 makes it live.`;
    case 'live':
      return `${style.good('Live')}: requests go to the upstream.`;
  }
}
