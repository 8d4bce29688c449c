import { loadKeys } from '../../../app-keys.ts';
import { detectShell } from '../../../core/clients/shell-exports.ts';
import { KmiError } from '../../../errors.ts';
import type { CommandRow } from '../../command/command-row.ts';
import type { Command } from '../../command/context.ts';
import { shortIdOf } from '../../words/trace-text.ts';
import type { CompletionShell } from './script.ts';

type Options = { readonly args: readonly [string?]; readonly labels?: boolean; readonly requests?: boolean };

/** Ids offered: as many as a trace shows at a time. */
const IDS_OFFERED = 20;

/** `kmi completion`: the script that completes `kmi` in a shell; with `--labels` and `--requests`, which the script calls, the labels of the keys and the names of requests. */
export function completionOf(rows: readonly CommandRow[]): Command<Options> {
  return async (context, { args: [name], labels = false, requests = false }) => {
    const { config, environment, out } = context;
    if (requests) {
      const { ofRunningProxy } = await import('../../proxy/running-proxy.ts');
      const { stateDir } = (await ofRunningProxy(context)).config;
      const [{ readLastEvents }, { tracePath }] = await Promise.all([
        import('../../../trace/trace-reader.ts'),
        import('../../../trace/writer.ts'),
      ]);
      const events = await readLastEvents(tracePath(stateDir), IDS_OFFERED);
      out('last');
      for (const event of events.reverse()) out(shortIdOf(event));
      return 0;
    }
    if (labels) {
      for (const { label } of (await loadKeys(config)).keys) out(label);
      return 0;
    }
    const { COMPLETION_SHELLS, renderCompletion } = await import('./script.ts');
    const { completedCommands } = await import('./model.ts');
    const wanted = name ?? detectShell(environment.SHELL, process.platform);
    const shell = COMPLETION_SHELLS.find((known): known is CompletionShell => known === wanted);
    if (shell === undefined) {
      throw new KmiError('bad_usage', `There is no completion for ${name === undefined ? 'this shell' : 'that shell'}.`, {
        hint: `Known shells: ${COMPLETION_SHELLS.join(', ')}: \`kmi completion bash\`.`,
      });
    }
    out(renderCompletion(shell, completedCommands(rows)).trimEnd());
    return 0;
  };
}
