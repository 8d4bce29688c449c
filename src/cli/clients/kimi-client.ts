import type { ProxyAccess } from '../../core/clients/client-environment.ts';
import type { ConfiguredModel, KimiClient, ModelQuestion } from '../../core/clients/kimi-model.ts';
import { KmiError } from '../../errors.ts';
import type { FoundKimi } from '../../launch/find-kimi.ts';
import type { CommandContext } from '../command/context.ts';

/** The proxy as clients on this machine are told of it. Throws `proxy_unreachable` while its port is unknown. */
export async function proxyAccess({ config }: CommandContext): Promise<ProxyAccess> {
  if (config.proxyListen.port === 0) {
    throw new KmiError('proxy_unreachable', 'No proxy runs, and KMI_PROXY_LISTEN names port 0: the port is known once one does.');
  }
  const { proxyUrl } = await import('../../daemon/probe.ts');
  return { url: proxyUrl(config), token: config.proxyToken };
}

/** The `kimi` on the PATH, and what decides which model it is told. */
export async function inspectKimi(
  { environment }: CommandContext,
  args: readonly string[],
): Promise<{ readonly found: FoundKimi | null; readonly question: ModelQuestion }> {
  const { findKimi } = await import('../../launch/find-kimi.ts');
  const found = await findKimi({ environment });
  const client = found?.client ?? null;
  const configured = await findDefaultModel(environment, client);
  return { found, question: { client, args, environment, configured } };
}

/** From the config of that client; of either, Kimi Code's first, when it is not known which is installed. */
async function findDefaultModel(
  environment: CommandContext['environment'],
  client: KimiClient | null,
): Promise<ConfiguredModel | null> {
  const [{ kimiConfigPaths }, { readDefaultModel }] = await Promise.all([
    import('../../keys/kimi-config.ts'),
    import('../../keys/default-model.ts'),
  ]);
  const files = kimiConfigPaths(environment).filter((file) => client === null || file.client === client);
  for (const { path } of files.toReversed()) {
    const model = await readDefaultModel(path);
    if (model !== null) return model;
  }
  return null;
}
