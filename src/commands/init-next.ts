import { probeProxy, proxyUrl } from '../daemon/probe.ts';
import { type Field, renderFields, viewWidth } from '../terminal/panel.ts';
import { shownPath } from '../terminal/shown-path.ts';
import type { CommandContext } from './context.ts';
import type { Mode } from './init-settings.ts';

/** What to type next, and what points a client at the proxy. */
export async function renderNext(
  context: CommandContext,
  { count, mode }: { readonly count: number; readonly mode: Mode },
): Promise<readonly string[]> {
  const { config, cwd, environment, style, width } = context;
  if (count === 0) return ['', 'There is no key yet: `kmi keys add` adds one.'];
  const isRunning = (await probeProxy(config)).kind === 'running';
  const url = proxyUrl(config);
  const token = config.proxyToken === '' ? 'kmi' : '<your proxy token>';
  const start = isRunning ? (mode.changed ? 'kmi proxy-restart' : null) : 'kmi proxy';
  const fields: Field[] = [
    ...(start === null ? [] : [{ name: 'start', value: { text: start, paint: style.accent } }]),
    ...(isRunning
      ? [{ name: 'proxy', value: mode.changed ? 'runs, still in the old mode' : 'runs already, and has the keys' }]
      : []),
    { name: 'client', value: `KIMI_BASE_URL=${url} KIMI_API_KEY=${token}` },
    { name: 'others', value: 'eval "$(kmi env)", or `kmi kimi` and `kmi run -- <program>`' },
  ];
  const envFile = context.loaded.settingsFile;
  const shown = shownPath(envFile, { cwd, home: environment.HOME });
  return [
    '',
    style.strong('Next'),
    ...renderFields(fields, viewWidth(width) - 2, style).map((line) => `  ${line}`),
    ...(shown === '.env' && environment.KMI_ENV_PATH === undefined
      ? [style.dim('kmi reads .env and _auths in the folder it is started in, so start it here.')]
      : []),
  ];
}
