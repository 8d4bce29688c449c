import { kimiVariables } from '../../../core/clients/client-environment.ts';
import { describeBypass, pickModel } from '../../../core/clients/kimi-model.ts';
import type { Command } from '../../command/context.ts';
import { inspectKimi, proxyAccess } from '../kimi-client.ts';
import { announceMode, type RunningProbe, requireProxy, runClient } from '../proxied-client.ts';
import { withWitness } from '../request-witness.ts';

type Options = { readonly args: readonly string[] };

const NOT_FOUND = 127;

/** What `kimi` answers by itself, also while no proxy runs: orchestrators ask it to see whether it is installed. */
const NEEDS_NO_PROXY = new Set(['--version', '-V', '--help', '-h']);

/** `kimi` in this place, pointed at the proxy. */
export const run: Command<Options> = async (given, { args }) => {
  let context = given;
  const { environment, err } = context;
  const { found, question } = await inspectKimi(context, args);
  if (found === null) {
    err('kmi: There is no `kimi` on the PATH.');
    err('     Install Kimi Code: npm install -g @moonshot-ai/kimi-code (Node 22.19 or newer), or see https://code.kimi.com');
    return NOT_FOUND;
  }
  let probe: RunningProbe | null = null;
  if (!NEEDS_NO_PROXY.has(args[0] ?? '')) {
    ({ probe, context } = await requireProxy(context));
    announceMode(context, probe);
    const bypass = describeBypass(question);
    if (bypass !== null) err(`kmi: this session may go around the proxy. ${bypass}`);
  }
  const changes = kimiVariables(await proxyAccess(context), pickModel(question), environment);
  return withWitness(context, probe, { program: 'kimi', args }, () => runClient(context, { program: found.path, args, changes }));
};
