import { detectShell } from '../core/shell-exports.ts';
import { KmiError } from '../errors.ts';
import { loadRegistry } from '../keys/registry.ts';
import type { CompletionShell } from '../terminal/completion.ts';
import type { CommandRow } from './command-row.ts';
import type { Command } from './context.ts';

type Options = { readonly args: readonly [string?]; readonly labels?: boolean };

/** `kmi completion`: the script that completes `kmi` in a shell; with `--labels`, which the script calls, the labels of the keys. */
export function completionOf(rows: readonly CommandRow[]): Command<Options> {
  return async ({ config, environment, out }, { args: [name], labels = false }) => {
    if (labels) {
      for (const { label } of (await loadRegistry(config)).keys) out(label);
      return 0;
    }
    const { COMPLETION_SHELLS, renderCompletion } = await import('../terminal/completion.ts');
    const { completedCommands } = await import('./completion-model.ts');
    const wanted = name ?? detectShell(environment.SHELL, process.platform);
    const shell = COMPLETION_SHELLS.find((known): known is CompletionShell => known === wanted);
    if (shell === undefined) {
      throw new KmiError('bad_usage', `There is no completion for ${name === undefined ? 'this shell' : 'that shell'}.`, {
        hint: `Known are ${COMPLETION_SHELLS.join(', ')}: \`kmi completion bash\`.`,
      });
    }
    out(renderCompletion(shell, completedCommands(rows)).trimEnd());
    return 0;
  };
}
