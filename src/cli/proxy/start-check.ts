import { sayUnreadableKeys } from '../../app-folders.ts';
import { loadKeys } from '../../app-keys.ts';
import { examineDaemon } from '../../daemon/examine.ts';
import type { DaemonState } from '../../daemon/judge.ts';
import { proxyOrigin } from '../../daemon/probe.ts';
import type { ProxyRecord } from '../../daemon/record.ts';
import { KmiError } from '../../errors.ts';
import type { Registry } from '../../keys/registry.ts';
import type { CommandContext } from '../command/context.ts';
import { explainState } from './daemon-view.ts';
import { noKeys } from './no-keys.ts';

/** `127.0.0.1:54123`, as a person names it. */
export function addressOf({ config }: Pick<CommandContext, 'config'>): string {
  return new URL(proxyOrigin(config)).host;
}

/**
 * That the proxy can start with the settings in force here once the one that runs has gone. Throws as the start itself would:
 * `bad_usage`, `no_keys`, `unsafe_bind`, `loop`, `port_in_use`.
 */
export async function requireStartable(context: CommandContext, running: ProxyRecord | null): Promise<void> {
  const { config, environment } = context;
  await requireKeys(context);
  const { refuseStart } = await import('../../proxy/refuse-start.ts');
  refuseStart(config, environment);
  // Asked with other settings, such as TLS, the proxy that runs looks like a stranger on its own port.
  if (running?.settings.proxyListen.port === config.proxyListen.port || config.proxyListen.port === 0) return;
  refuseTakenPort(await examineDaemon(config), addressOf(context));
}

export async function requireKeys({ config, err }: CommandContext): Promise<Registry> {
  const registry = await loadKeys(config);
  if (registry.keys.length > 0) return registry;
  sayUnreadableKeys(registry.skipped, config, (message) => err(`kmi: ${message}`));
  throw noKeys(config, registry);
}

export function refuseTakenPort(state: DaemonState, address: string): void {
  if (state.kind !== 'stranger' && state.kind !== 'silent') return;
  const { text, hint } = explainState(state, address);
  throw new KmiError('port_in_use', text, { hint });
}
