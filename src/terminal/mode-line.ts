import type { Config } from '../config/settings.ts';
import type { Style } from './style.ts';

/** What a command that can send or simulate traffic says first. */
export function renderMode({ dryRun }: Pick<Config, 'dryRun'>, style: Style): string {
  return dryRun
    ? `${style.warn('Dry-run')}: nothing is sent to the upstream; KMI_DRY_RUN=0 makes it live.`
    : `${style.good('Live')}: requests go to the upstream.`;
}
