import { basename } from 'node:path';
import { DIRECT, isDirect, parseProxy, shownProxy } from '../core/network/outgoing-proxy.ts';
import type { LoadedConfig, Source } from './load.ts';
import { shownNotifyTarget } from './notify-target.ts';
import { type Config, SETTINGS, type SettingName } from './settings.ts';

type Group = { readonly title: string; readonly first: SettingName };

/** Headings of the table: each stands before the setting it names and holds up to the next. */
const GROUPS: readonly Group[] = [
  { title: 'Folders', first: 'authsDir' },
  { title: 'Upstream', first: 'upstreamBaseUrl' },
  { title: 'The proxy: address and access', first: 'proxyListen' },
  { title: 'The proxy: rate limits', first: 'proxyMaxRps' },
  { title: 'The proxy: failover, time limits, sizes', first: 'proxyFailoverMax' },
  { title: 'Choosing a key', first: 'dryRun' },
  { title: 'Health of the keys', first: 'requireUsageBeforeRequest' },
  { title: 'Trace and log', first: 'traceMaxMb' },
  { title: 'Notices', first: 'notify' },
  { title: 'Output and the rest', first: 'timezone' },
];

const NAMES = Object.keys(SETTINGS) as SettingName[];

/** The text of `.env.example`: every setting commented out with its default. */
export function renderEnvExample(): string {
  const head = [
    '# Settings of kmi, each with its default. Copy this file to `~/.kmi/.env` and take the `#` off the lines you change.',
    '# A `.env` of the working folder that sets KMI_ variables counts in its place, there only. Variables of the environment',
    '# go before both; a file named by KMI_ENV_PATH goes before everything.',
    '# `kmi config --all` shows every value and where it came from. Made by `npm run docs`.',
  ];
  const groups = grouped().map(({ title, names }) => [`## ${title}`, ...names.map(envLines)].join('\n\n'));
  return `${[head.join('\n'), ...groups].join('\n\n')}\n`;
}

function envLines(name: SettingName): string {
  const { variable, defaultText, help } = SETTINGS[name];
  return `# ${help}\n#${variable}=${defaultText}`;
}

/** The tables of docs/settings.md: one a group, without a trailing line break. */
export function renderSettingsTable(): string {
  return grouped()
    .map(({ title, names }) =>
      [`### ${title}`, '', '| variable | default | meaning |', '| --- | --- | --- |', ...names.map(tableRow)].join('\n'),
    )
    .join('\n\n');
}

function tableRow(name: SettingName): string {
  const { variable, defaultText, help } = SETTINGS[name];
  const fallback = defaultText === '' ? '' : `\`${defaultText}\``;
  return `| \`${variable}\` | ${fallback} | ${help.replaceAll('|', '\\|')} |`;
}

function grouped(): { title: string; names: SettingName[] }[] {
  return GROUPS.map(({ title, first }, index) => {
    const next = GROUPS[index + 1];
    return { title, names: NAMES.slice(NAMES.indexOf(first), next === undefined ? undefined : NAMES.indexOf(next.first)) };
  });
}

/** One line of `kmi config`, safe to print: secrets are masked, control characters replaced. */
export type ConfigEntry = {
  readonly group: string;
  readonly variable: string;
  /** As it could stand in `.env`; a secret shows as `(set)` or `(not set)`, a proxy or webhook as scheme and host. */
  readonly value: string;
  /** Where the value came from: `default`, `environment`, or the env file's name and path: `.env (/path/.env)`. */
  readonly source: string;
};

/** Every setting in the table's order. */
export function describeConfig(loaded: LoadedConfig): ConfigEntry[] {
  return grouped().flatMap(({ title, names }) => names.map((name) => ({ group: title, ...describeSetting(name, loaded) })));
}

export function describeSetting(name: SettingName, loaded: LoadedConfig): Omit<ConfigEntry, 'group'> {
  return {
    variable: SETTINGS[name].variable,
    value: printable(valueText(name, loaded.config)),
    source: printable(sourceText(name, loaded)),
  };
}

function valueText(name: SettingName, config: Config): string {
  const value = config[name];
  if (name === 'upstreamProxy') return config.upstreamProxy === '' ? '(not set)' : schemeAndHost(config.upstreamProxy);
  if (name === 'notify') return shownNotifyTarget(config.notify);
  if (SETTINGS[name].secret) return value === '' ? '(not set)' : '(set)';
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number' || typeof value === 'string') return String(value);
  if ('port' in value) return `${value.host.includes(':') ? `[${value.host}]` : value.host}:${value.port}`;
  return value.join(',');
}

/** Without the user and the password it may hold. */
function schemeAndHost(text: string): string {
  if (isDirect(text)) return DIRECT;
  const proxy = parseProxy(text);
  return 'problem' in proxy ? '(set)' : `${proxy.protocol}://${shownProxy(proxy)}`;
}

function sourceText(name: SettingName, { config, sources, keysOf }: LoadedConfig): string {
  const source: Source = sources[name];
  switch (source.kind) {
    case 'default':
      if (name === 'authsDir' && keysOf === 'here') return 'this folder';
      return name === 'noColor' && config.noColor ? 'environment (NO_COLOR)' : 'default';
    case 'environment':
      return 'environment';
    case 'file':
      return `${basename(source.file)} (${source.file})`;
  }
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?');
}
