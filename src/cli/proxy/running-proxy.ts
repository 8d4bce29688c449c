import { loadConfig } from '../../config/load.ts';
import { type Config, SECRET_SETTINGS, SETTINGS, type SettingName } from '../../config/settings.ts';
import { findProxy } from '../../daemon/find.ts';
import type { ProxyRecord } from '../../daemon/record.ts';
import type { CommandContext } from '../command/context.ts';

/** How a command prints and what it does by itself: never the proxy's affair. */
const OWN: ReadonlySet<SettingName> = new Set([
  ...(['timezone', 'locale', 'plain', 'noColor', 'showSource', 'auditActor', 'enforceFilePerms'] as const),
  ...(['autoRotateE2e', 'rotateOnTie', 'writeConfig'] as const),
]);

/** What a simulation makes up for itself. */
const SIMULATED: ReadonlySet<SettingName> = new Set([
  ...(['authsDir', 'stateDir', 'upstreamBaseUrl', 'upstreamAllowlist', 'dryRun', 'autoRotateAllowed'] as const),
]);

/**
 * For a command that speaks of the proxy: the context with the settings of the one that runs on this state folder, whatever this
 * folder and this shell say. Without one, or with one that has them already, the context as it is.
 */
export async function ofRunningProxy(context: CommandContext): Promise<CommandContext> {
  const proxy = await findProxy(context.config);
  if (proxy === null) return context;
  const { settings } = proxy;
  const taken = Object.keys(SETTINGS).filter(
    (name) => !OWN.has(name as SettingName) && !SECRET_SETTINGS.has(name as SettingName),
  );
  const config = Object.freeze({
    ...context.config,
    ...Object.fromEntries(taken.map((name) => [name, settings[name as SettingName]])),
    ...secretsOf(proxy, context),
    // A made-up key is not for the configs of real clients.
    ...(settings.isSimulated === true ? ({ isSimulated: true, writeConfig: false } as const) : {}),
  });
  return { ...context, config, proxy };
}

/** The context at the address of the proxy that runs; the rest as it is. */
export async function atRunningProxy(context: CommandContext): Promise<CommandContext> {
  const proxy = await findProxy(context.config);
  if (proxy === null) return context;
  const { proxyListen, proxyTlsCert, proxyTlsKey, proxyBasePath } = proxy.settings;
  const config = Object.freeze({ ...context.config, proxyListen, proxyTlsCert, proxyTlsKey, proxyBasePath });
  return { ...context, config, proxy };
}

/**
 * For a command on the key files: those this folder or a setting names, else those of the proxy that runs, so that what is listed
 * and changed is what serves; else the home's.
 */
export async function atKeys(context: CommandContext): Promise<CommandContext> {
  const { keysOf } = context.loaded;
  if (keysOf === 'stated' || keysOf === 'here') return { ...context, proxy: await findProxy(context.config) };
  const there = await ofRunningProxy(context);
  return there.proxy?.settings.isSimulated === true ? { ...context, proxy: there.proxy } : there;
}

/** Secrets are in no record: they are read where the proxy read them, else they are what this folder has. */
function secretsOf(
  { asksToken, envFile, folder }: ProxyRecord,
  { config }: CommandContext,
): Pick<Config, 'proxyToken' | 'upstreamProxy' | 'notify'> {
  const there = envFile === null ? null : readThere(envFile, folder, config.stateDir);
  const proxyToken = (asksToken ? there?.proxyToken : '') || config.proxyToken;
  return {
    proxyToken,
    upstreamProxy: there?.upstreamProxy || config.upstreamProxy,
    notify: there?.notify || config.notify,
  };
}

function readThere(envFile: string, folder: string, stateDir: string): Config | null {
  try {
    return loadConfig({ KMI_ENV_PATH: envFile, KMI_STATE_DIR: stateDir }, folder).config;
  } catch {
    return null;
  }
}

/** Both ask for a token, and for another one, as far as the proxy's can be read where it read it. */
export function hasOtherToken(proxy: ProxyRecord, { config }: CommandContext): boolean {
  if (proxy.asksToken !== (config.proxyToken !== '')) return true;
  if (!proxy.asksToken || proxy.envFile === null) return false;
  const there = readThere(proxy.envFile, proxy.folder, config.stateDir)?.proxyToken ?? '';
  return there !== '' && there !== config.proxyToken;
}

/** The settings at the port of the running proxy, where they leave it open (port 0) or `--port` stood in for them. */
export function asServed(config: Config, { port, settings }: Pick<ProxyRecord, 'port' | 'settings'>): Config {
  const isOpen = config.proxyListen.port === 0 || port !== null;
  return isOpen ? atPort(config, settings.proxyListen.port) : config;
}

/** The settings with another port, for one run of the proxy. */
export function atPort(config: Config, port: number): Config {
  return Object.freeze({ ...config, proxyListen: Object.freeze({ ...config.proxyListen, port }) });
}

/** The variables whose values at the running proxy are others than those in force in this folder. */
export function differences(proxy: ProxyRecord, stated: Config): readonly string[] {
  const { asksToken, settings } = proxy;
  const config = asServed(stated, proxy);
  const names = (Object.keys(SETTINGS) as SettingName[]).filter((name) => {
    if (OWN.has(name) || SECRET_SETTINGS.has(name) || (settings.isSimulated === true && SIMULATED.has(name))) return false;
    return JSON.stringify(settings[name]) !== JSON.stringify(config[name]);
  });
  const token = asksToken === (config.proxyToken !== '') ? [] : ['proxyToken' as const];
  return [...names, ...token].map((name) => SETTINGS[name].variable);
}
