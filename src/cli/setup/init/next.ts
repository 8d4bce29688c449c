import { dirname, join } from 'node:path';
import { findProxy } from '../../../daemon/find.ts';
import { probeProxy, proxyUrl } from '../../../daemon/probe.ts';
import type { CommandContext } from '../../command/context.ts';
import type { Mode } from '../../command/settings-file.ts';
import { ownerOf } from '../../proxy/proxy-words.ts';
import { type Field, renderFields, viewWidth } from '../../ui/panel.ts';
import { clientFields } from '../../words/client-lines.ts';

/** What to type next, and what points a client at the proxy. */
export async function renderNext(
  context: CommandContext,
  { count, mode }: { readonly count: number; readonly mode: Mode },
): Promise<readonly string[]> {
  const { config, cwd, environment, home, style, width } = context;
  if (count === 0) return ['', 'There is no account yet: `kmi login` logs in, `kmi keys add` adds a key.'];
  const proxy = await findProxy(config);
  const isRunning = proxy !== null || (await probeProxy(config)).kind === 'running';
  const served = proxy?.settings ?? config;
  const isOther = proxy !== null && proxy.settings.authsDir !== config.authsDir;
  const restart = isRunning && (mode.changed || isOther);
  const fields: Field[] = [
    ...(isRunning
      ? [{ name: 'proxy', value: isOther ? `runs with the settings of ${ownerOf(proxy, context)}` : stateOf(mode) }]
      : []),
    ...(restart ? [{ name: 'restart', value: { text: 'kmi restart', paint: style.accent } }] : []),
    // Which port it gets is not known before it runs.
    ...clientFields(served.proxyListen.port === 0 ? null : proxyUrl(served), config.proxyToken !== '', style),
    ...(isRunning ? [] : [{ name: 'proxy', value: '`kmi kimi` and `kmi run` start it; `kmi start` does so now' }]),
  ];
  const envFile = context.loaded.settingsFile;
  const isHere = dirname(envFile) === cwd && (home === null || cwd !== join(home, '.kmi'));
  return [
    '',
    style.strong('Next'),
    ...renderFields(fields, viewWidth(width) - 2, style).map((line) => `  ${line}`),
    ...(isHere && environment.KMI_ENV_PATH === undefined
      ? [style.dim('These settings apply in this folder only, so start kmi here.')]
      : []),
  ];
}

function stateOf({ changed }: Mode): string {
  return changed ? 'runs, still in the old mode' : 'runs already, and has the keys';
}
