import type { Config } from '../../config/settings.ts';
import { modeOf, type ProxyMode } from '../../core/clients/proxy-mode.ts';
import type { Style } from '../ui/style.ts';

export const MODE_WORDS: Readonly<Record<ProxyMode, { readonly word: string; readonly rest: string }>> = {
  simulated: { word: 'Simulated', rest: 'made-up accounts answer; nothing is sent to the upstream.' },
  'dry-run': { word: 'Dry-run', rest: 'nothing is sent; `kmi config set KMI_DRY_RUN 0` makes it live.' },
  live: { word: 'Live', rest: 'requests go to the upstream.' },
};

/** What a command that can send or simulate traffic says first. */
export function renderMode(config: Pick<Config, 'dryRun' | 'isSimulated'>, style: Style): string {
  const mode = modeOf(config);
  const { word, rest } = MODE_WORDS[mode];
  return `${(mode === 'live' ? style.good : style.warn)(word)}: ${rest}`;
}
