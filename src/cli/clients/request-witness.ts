import { isForChats, recognizeClient } from '../../core/clients/known-clients.ts';
import type { CommandContext } from '../command/context.ts';
import type { RunningProbe } from './proxied-client.ts';

/** What ended sooner has hardly tried to chat. */
const MOMENT_MS = 1000;
/** Exit codes from here on are signals: the person has ended it. */
const SIGNALLED = 128;

/**
 * Runs a client and afterwards says so when not one request came through the proxy while it ran: it has gone elsewhere, or was not
 * asked anything. The proxy's own count tells; requests of others in that time keep this silent.
 */
export async function withWitness(
  { config, err }: CommandContext,
  before: RunningProbe | null,
  { program, args }: { readonly program: string; readonly args: readonly string[] },
  runIt: () => Promise<number>,
): Promise<number> {
  const startedAt = performance.now();
  const code = await runIt();
  const ranMs = performance.now() - startedAt;
  const call = recognizeClient(program, args);
  if (before?.about === undefined || ranMs < MOMENT_MS || code >= SIGNALLED || !isForChats(args.slice(call?.at ?? 0)))
    return code;
  const { probeProxy } = await import('../../daemon/probe.ts');
  const after = await probeProxy(config);
  const isSame = after.kind === 'running' && after.pid === before.pid && after.about?.requests === before.about.requests;
  if (isSame) {
    err(
      `kmi: No request of ${call?.client ?? program} came through the proxy; see \`kmi doctor\` for settings that lead elsewhere.`,
    );
  }
  return code;
}
