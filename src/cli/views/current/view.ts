import type { Config } from '../../../config/settings.ts';
import type { Candidate } from '../../../core/choosing/eligibility.ts';
import { viewWidth } from '../../ui/panel.ts';
import { wrapProse } from '../../ui/prose.ts';
import type { Style } from '../../ui/style.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { renderMode } from '../../words/mode-line.ts';
import { renderKeyBlock } from '../health/view.ts';

type File = { readonly client: string; readonly path: string };

/** What one Kimi client's config says about the account it uses. */
export type CurrentEntry = File &
  (
    | {
        readonly kind: 'account';
        readonly provider: string;
        readonly hasOauth: boolean;
        /** Label of the same key in the auths folder. */
        readonly pooledAs: string | null;
        readonly candidate: Candidate;
      }
    | { readonly kind: 'through_proxy' }
    | { readonly kind: 'unusable'; readonly problem: string }
  );

/** The lines of `kmi current`. `paths` are the files looked for. */
export function renderCurrent(
  entries: readonly CurrentEntry[],
  { config, now, paths }: { config: Config; now: number; paths: readonly File[] },
  { columns, style }: { columns: number; style: Style },
): string[] {
  const width = viewWidth(columns);
  const mode = wrapProse(renderMode(config, style), width);
  if (entries.length === 0) {
    return [...mode, '', style.warn('No Kimi client has a config here.'), ...paths.map(({ path }) => `  looked for ${path}`)];
  }
  const blocks = entries.flatMap((entry) => ['', ...entryLines(entry, { config, now, width, style })]);
  return [...mode, ...blocks];
}

type Frame = { readonly config: Config; readonly now: number; readonly width: number; readonly style: Style };

function entryLines(entry: CurrentEntry, { config, now, width, style }: Frame): string[] {
  const say = (text: string, paint: (text: string) => string = (line) => line) =>
    wrapToWidth(text, width - 2).map((line) => `  ${paint(line)}`);
  const title = [style.strong(entry.client), ...say(entry.path, style.dim)];
  switch (entry.kind) {
    case 'unusable':
      return [...title, ...say(entry.problem, style.warn)];
    case 'through_proxy':
      return [...title, ...say('It goes through this proxy, which picks the key; see `kmi health`.', style.good)];
    case 'account':
      return [
        ...title,
        ...(entry.pooledAs === null
          ? say('Its key is not in the auths folder.', style.dim)
          : say(`The same key as ${entry.pooledAs}.`)),
        ...(entry.hasOauth ? say('It also has an OAuth login, which the client may prefer to the key.', style.warn) : []),
        ...renderKeyBlock(entry.candidate, { config, now, width, style }),
      ];
  }
}
