import { describeConfig } from '../config/document.ts';
import { shownName, type Unused } from '../config/unused.ts';
import { renderConfig } from '../terminal/config-view.ts';
import type { Command } from './context.ts';

type Options = { readonly json?: boolean };

/** `kmi config`: every setting, its value with secrets masked, and where it came from. */
export const run: Command<Options> = async ({ loaded, out, style, width }, { json = false }) => {
  const entries = describeConfig(loaded);
  if (json) out(JSON.stringify({ env_file: loaded.envFile, settings: entries, not_used: loaded.unused.map(toJson) }, null, 2));
  else for (const line of renderConfig(entries, loaded.envFile, { columns: width, style }, loaded.unused)) out(line);
  return 0;
};

function toJson({ file, name, why }: Unused) {
  return { file, name: shownName(name), why };
}
