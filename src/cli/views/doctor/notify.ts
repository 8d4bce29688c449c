import { lookup } from 'node:dns/promises';
import { DESKTOP, shownNotifyTarget } from '../../../config/notify-target.ts';
import { isDirect } from '../../../core/network/outgoing-proxy.ts';
import type { NotifyFact } from '../../../doctor/checks-notify.ts';
import { isOnPath } from '../../../launch/path-search.ts';
import { desktopProgram } from '../../../notify/desktop.ts';
import type { CommandContext } from '../../command/context.ts';

const TIMEOUT_MS = 3_000;

/** Whether a notice could arrive, as far as that can be seen without sending one. Null: none is wanted. */
export async function notifyFact({
  config,
  environment,
}: Pick<CommandContext, 'config' | 'environment'>): Promise<NotifyFact | null> {
  const { notify, upstreamProxy } = config;
  if (notify === '') return null;
  if (notify === DESKTOP) {
    const program = desktopProgram();
    return { to: 'desktop', program, isThere: await isOnPath(program, { environment }) };
  }
  // An outgoing proxy looks names up itself.
  const { proxyFor } = await import('../../../proxy/upstream/upstreams.ts');
  const isDirectWay = isDirect(upstreamProxy) || proxyFor(new URL(notify).origin, upstreamProxy, environment) === null;
  return { to: 'webhook', shown: shownNotifyTarget(notify), isFound: !isDirectWay || (await isFound(new URL(notify).hostname)) };
}

async function isFound(hostname: string): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), TIMEOUT_MS).unref());
  const found = lookup(hostname.replace(/^\[|\]$/g, '')).then(
    () => true,
    () => false,
  );
  return Promise.race([found, late]);
}
