import { realpathSync } from 'node:fs';
import { type LoadedConfig, loadConfig } from '../../../config/load.ts';
import { tokenPath } from '../../../config/own-files.ts';
import { SETTINGS, type SettingName } from '../../../config/settings.ts';
import { examineDaemon } from '../../../daemon/examine.ts';
import { findProxy } from '../../../daemon/find.ts';
import type { ProxyRecord } from '../../../daemon/record.ts';
import { KmiError } from '../../../errors.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { shownPath } from '../../ui/shown-path.ts';
import { describeDifferences } from '../proxy-words.ts';
import { asServed, differences, hasOtherToken } from '../running-proxy.ts';
import { requireStartable } from '../start-check.ts';
import { startInBackground } from '../start-proxy.ts';
import { type StopCommandOptions, stopProxy } from '../stop/run.ts';

type Options = StopCommandOptions & { readonly here?: boolean };

/** Another mode, other keys, another upstream, address or token: clients would meet another proxy. */
const DECISIVE: readonly SettingName[] = ['dryRun', 'authsDir', 'upstreamBaseUrl', 'proxyListen', 'proxyToken'];

/**
 * `kmi restart`: stops the proxy if one runs, then starts it in the background. One that could not start again, or would be
 * another one for being restarted elsewhere, is not stopped. Throws `settings_elsewhere` and what `requireStartable` throws.
 */
export const run: Command<Options> = async (context, { here = false, ...options }) => {
  const proxy = await findProxy(context.config);
  // One of an older version has written no record.
  const runs = proxy !== null || (await examineDaemon(context.config)).kind === 'ours';
  const next = proxy === null ? context : atSamePort(context, proxy);
  if (runs) await requireStartable(next, proxy);
  if (proxy !== null) {
    if (!here) refuseElsewhere(proxy, context);
    for (const line of describeDifferences(proxy, context, 'The restart applies them.')) context.err(line);
    if (proxy.port !== null) {
      context.err(`It keeps port ${proxy.port}, which --port gave it. \`kmi stop\` and \`kmi start\` go by KMI_PROXY_LISTEN.`);
    }
  }
  await stopProxy(context, options);
  return startInBackground(next, { port: proxy?.port ?? null });
};

/** The proxy keeps the port that `--port` or, with port 0, the system gave it: its clients know it by that. */
function atSamePort(context: CommandContext, proxy: ProxyRecord): CommandContext {
  const config = asServed(context.config, proxy);
  if (config === context.config || proxy.port !== null) return { ...context, config };
  const { host, port } = config.proxyListen;
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { ...context, config, environment: { ...context.environment, [SETTINGS.proxyListen.variable]: address } };
}

function refuseElsewhere(proxy: ProxyRecord, context: CommandContext): void {
  if (realFolder(proxy.folder) === realFolder(context.cwd)) return;
  const changed = changedElsewhere(proxy, context);
  if (changed.length === 0) return;
  const folder = shownPath(proxy.folder, context);
  const lost = unknownThere(proxy, context);
  const shell = lost.length === 0 ? '' : `, from a shell that sets ${lost.join(', ')} as it was then`;
  throw new KmiError(
    'settings_elsewhere',
    `The proxy (pid ${proxy.pid}) was started in ${folder}. A restart from here would change ${changed.join(', ')}. It was not stopped.`,
    { hint: `Restart it in ${folder}${shell}, or add --here to apply the settings in force here.` },
  );
}

/** The decisive variables that differ here, except by an edit of the files the proxy has its own settings from. */
function changedElsewhere(proxy: ProxyRecord, context: CommandContext): readonly string[] {
  // A simulation has made all of them up.
  if (proxy.settings.isSimulated === true) return [];
  const { config, environment, loaded } = context;
  const differing = new Set(differences(proxy, config));
  if (hasOtherToken(proxy, context)) differing.add(SETTINGS.proxyToken.variable);
  const own = [proxy.envFile ?? settingsIn(proxy.folder, environment)?.envFile, tokenPath(config.stateDir)];
  return DECISIVE.filter((name) => {
    const source = loaded.sources[name];
    return differing.has(SETTINGS[name].variable) && !(source.kind === 'file' && own.includes(source.file));
  }).map((name) => SETTINGS[name].variable);
}

/** The decisive variables that its own folder does not give it either: the shell it was started from had set them. */
function unknownThere(proxy: ProxyRecord, { environment }: CommandContext): readonly string[] {
  const there = settingsIn(proxy.folder, environment);
  if (there === null) return [];
  const names = differences(proxy, there.config);
  return DECISIVE.map((name) => SETTINGS[name].variable).filter((variable) => names.includes(variable));
}

/** What its folder says now: its files may have been written since the start. */
function settingsIn(folder: string, environment: CommandContext['environment']): LoadedConfig | null {
  try {
    return loadConfig(environment, folder);
  } catch {
    return null;
  }
}

function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
