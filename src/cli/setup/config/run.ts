import { describeConfig } from '../../../config/document.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import { shownName, type Unused } from '../../../config/unused.ts';
import { findProxy } from '../../../daemon/find.ts';
import type { Command } from '../../command/context.ts';
import { describeDifferences } from '../../proxy/proxy-words.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { renderConfig } from './view.ts';

type Options = { readonly json?: boolean; readonly all?: boolean };

/** `kmi config`: the settings that were changed, or all, with where their values came from. Secrets are masked. */
export const run: Command<Options> = async (context, { json = false, all = false }) => {
  const { loaded, config, out, err, style, width } = context;
  const entries = describeConfig(loaded);
  if (json) {
    out(JSON.stringify({ env_file: loaded.envFile, settings: entries, not_used: loaded.unused.map(toJson) }, null, 2));
    return 0;
  }
  for (const line of renderConfig(entries, loaded.envFile, { columns: width, style, all }, loaded.unused)) out(line);
  for (const note of notesOn(loaded)) for (const line of wrapToWidth(note, width)) err(line);
  const proxy = await findProxy(config);
  if (proxy !== null) for (const line of describeDifferences(proxy, context)) err(line);
  return 0;
};

function toJson({ file, name, why }: Unused) {
  return { file, name: shownName(name), why };
}

/** Whose files count, where that is not plain from the paths. */
function* notesOn({ passedOver, isEnvFileOfFolder, keysOf }: LoadedConfig): Generator<string> {
  if (passedOver !== null) yield `${passedOver} sets no KMI_ variable, so it is not for kmi.`;
  if (isEnvFileOfFolder) yield 'The env file of this folder is used instead of ~/.kmi/.env.';
  if (keysOf === 'here') yield 'The keys of this folder are used instead of those in ~/.kmi/_auths.';
}
