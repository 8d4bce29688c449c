import { programVariables } from '../../../core/clients/client-environment.ts';
import { pickModel } from '../../../core/clients/kimi-model.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { inspectKimi, proxyAccess } from '../kimi-client.ts';
import { leadClient } from '../lead-client.ts';
import { announceMode, requireProxy, runClient } from '../proxied-client.ts';
import { withWitness } from '../request-witness.ts';

type Options = { readonly args: readonly string[] };

/** Any program, pointed at the proxy by the variables that OpenAI- and Anthropic-speaking ones read. */
export const run: Command<Options> = async (given, { args: [name, ...args] }) => {
  if (name === undefined)
    throw new KmiError('bad_usage', 'There is no command to run.', { hint: 'For example: kmi run -- claude' });
  const { question } = await inspectKimi(given, []);
  const { probe, context } = await requireProxy(given);
  announceMode(context, probe);
  const access = await proxyAccess(context);
  const lead = await leadClient(context, access, question, { program: name, args });
  for (const note of lead.notes) context.err(`kmi: ${note}`);
  const changes = new Map([...programVariables(access, pickModel(question), context.environment), ...lead.changes]);
  const program = await locate(name, context.environment);
  return withWitness(context, probe, { program: name, args }, () => runClient(context, { program, args: lead.args, changes }));
};

/** Windows does not look for batch files by itself, and most clients are one there. */
async function locate(name: string, environment: Readonly<Record<string, string | undefined>>): Promise<string> {
  if (process.platform !== 'win32' || /[\\/]/.test(name)) return name;
  const { findOnPath } = await import('../../../launch/path-search.ts');
  for await (const path of findOnPath(name, { environment })) return path;
  return name;
}
