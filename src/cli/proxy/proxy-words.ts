import { type Config, SECRET_SETTINGS, SETTINGS, type SettingName } from '../../config/settings.ts';
import { shellWord } from '../../core/clients/shell-quote.ts';
import { type ProxyAbout, proxyUrl } from '../../daemon/probe.ts';
import type { ProxyRecord } from '../../daemon/record.ts';
import type { CommandContext } from '../command/context.ts';
import { shownPath } from '../ui/shown-path.ts';
import { wrapToWidth } from '../ui/width.ts';
import { asServed, differences } from './running-proxy.ts';

type Reader = Pick<CommandContext, 'config' | 'cwd' | 'home' | 'errStyle' | 'width'>;

/** More variables than these are counted. */
const NAMED_MAX = 6;

/** That the running proxy goes by other settings than those in force here, and by which; nothing when it does not. */
export function describeDifferences(proxy: ProxyRecord, own: Reader, applied = '`kmi restart` applies them.'): readonly string[] {
  const names = differences(proxy, own.config);
  if (names.length === 0) return [];
  const shown = names.slice(0, NAMED_MAX).join(', ');
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : '';
  const here = proxyUrl(asServed(own.config, proxy));
  const address = proxyUrl(proxy.settings) === here ? '' : ` These would serve ${here}.`;
  const text = `: the running proxy has the settings of ${ownerOf(proxy, own)}. Those in force here differ in ${shown}${more}.${address} ${applied}`;
  const [first = '', ...rest] = wrapToWidth(`Note${text}`, own.width);
  return [`${own.errStyle.warn('Note')}${first.slice('Note'.length)}`, ...rest];
}

/**
 * How the running proxy comes by settings that were just written; `own` has them in force. Null when they are none of its affair, or
 * it has them already.
 */
export function followingOf(
  proxy: ProxyRecord,
  own: Reader & Pick<CommandContext, 'loaded'>,
  names: readonly SettingName[],
): string | null {
  const differing = differences(proxy, own.config);
  const isConcerned = names.some((name) => SECRET_SETTINGS.has(name) || differing.includes(SETTINGS[name].variable));
  if (!isConcerned) return null;
  const { envFile } = own.loaded;
  const { stateDir } = proxy.settings;
  // From the new folder no command finds it.
  if (differing.includes(SETTINGS.stateDir.variable)) {
    return `The running proxy (pid ${proxy.pid}) keeps its folder. Stop it with \`KMI_STATE_DIR=${shellWord(stateDir)} kmi stop\`, then \`kmi start\`.`;
  }
  return proxy.envFile === null || proxy.envFile === envFile
    ? `The running proxy (pid ${proxy.pid}) follows after \`kmi restart\`.`
    : `The running proxy (pid ${proxy.pid}) has its settings from ${ownerOf(proxy, own)}, so this does not reach it.`;
}

/** The settings with what a proxy of another state folder tells of itself in their place. */
export function asTold(config: Config, { mode, upstream }: ProxyAbout): Config {
  const told = { ...config, dryRun: mode === 'dry-run', upstreamBaseUrl: upstream ?? config.upstreamBaseUrl };
  return Object.freeze(mode === 'simulated' ? { ...told, isSimulated: true } : told);
}

/** Where the running proxy has its settings from, unless they are those in force here. */
export function foreignSettings({ proxy, loaded, ...reader }: CommandContext): string | null {
  if (proxy == null || differences(proxy, loaded.config).length === 0) return null;
  return proxy.settings.isSimulated === true ? 'made up by the simulation' : `those of ${ownerOf(proxy, reader)}`;
}

/** Where the running proxy has its settings from, as short as it can be said. */
export function ownerOf({ envFile, folder }: ProxyRecord, reader: Pick<Reader, 'cwd' | 'home'>): string {
  return shownPath(envFile ?? folder, reader);
}

/** That the running proxy has other keys than those of the folder a command works on; null: it has these, or none runs. */
export function describeOtherKeys({ proxy, config, ...reader }: CommandContext): string | null {
  if (proxy == null || proxy.settings.authsDir === config.authsDir) return null;
  if (proxy.settings.isSimulated === true)
    return 'The running proxy is a simulation with made-up accounts and uses none of these keys.';
  const folder = shownPath(proxy.settings.authsDir, reader);
  return `The running proxy reads its keys from ${folder}, not from here; \`kmi restart\` makes it read this folder.`;
}

/** What a change of a key means for the proxy. A login is in every proxy of the state folder, whichever auths folder that reads. */
export function sayFollowing(context: CommandContext, does = 'follows', { isLogin = false } = {}): string {
  const isSimulated = context.proxy?.settings.isSimulated === true;
  const others = isLogin && !isSimulated ? null : describeOtherKeys(context);
  return others ?? `A running proxy ${does} within a second.`;
}
