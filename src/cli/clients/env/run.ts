import { programVariables } from '../../../core/clients/client-environment.ts';
import { pickModel } from '../../../core/clients/kimi-model.ts';
import { detectShell, renderExports, SHELLS, type Shell } from '../../../core/clients/shell-exports.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { inspectKimi, proxyAccess } from '../kimi-client.ts';
import { lacksToken, sayLackedToken } from '../proxied-client.ts';

type Options = { readonly shell?: string };

/** Prints what points a shell's programs at the proxy, for `eval`; it need not run yet. */
export const run: Command<Options> = async (context, { shell }) => {
  const { environment, out, err } = context;
  const syntax = shell === undefined ? detectShell(environment.SHELL, process.platform) : parseShell(shell);
  const { question } = await inspectKimi(context, []);
  const access = await proxyAccess(context);
  const changes = programVariables(access, pickModel(question), environment);
  for (const line of renderExports(changes, syntax)) out(line);
  if (lacksToken(context)) sayLackedToken(context);
  const { probeProxy } = await import('../../../daemon/probe.ts');
  if ((await probeProxy(context.config)).kind === 'nothing') err('kmi: No proxy runs there yet; `kmi start` starts it.');
  const { describeClaudeSettings } = await import('../lead-client.ts');
  const elsewhere = await describeClaudeSettings(context, access.url);
  if (elsewhere !== null) {
    const remedy = elsewhere.canBeOverruled ? ' `kmi run -- claude` overrules it.' : '';
    err(`kmi: ${elsewhere.text}, which Claude Code puts before these variables.${remedy}`);
  }
  return 0;
};

function parseShell(name: string): Shell {
  const shell = SHELLS.find((known) => known === name);
  if (shell !== undefined) return shell;
  throw new KmiError('bad_usage', `\`--shell ${name}\` is not known.`, { hint: `Known shells: ${SHELLS.join(', ')}.` });
}
