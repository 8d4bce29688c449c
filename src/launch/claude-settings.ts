import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { knownHome } from '../config/home-folder.ts';

/** What a settings file of Claude Code puts before the environment. */
export type ClaudeSetting = {
  readonly variable: string;
  readonly value: string;
  /** The file, or `--settings`. */
  readonly from: string;
  /** `managed` cannot be overridden; `flag` only by taking it out. */
  readonly kind: 'file' | 'flag' | 'managed';
};

type Where = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly args?: readonly string[];
  readonly platform?: NodeJS.Platform;
  readonly managedFile?: string;
};

/**
 * The variables that Claude Code (2.1) takes from its settings, each from the file that has the last word: of the user, the
 * project, the project's local one, `--settings`, the machine's managed one. Files it could not read either say nothing.
 */
export async function readClaudeSettings(where: Where): Promise<ReadonlyMap<string, ClaudeSetting>> {
  const { environment, cwd, args = [], platform = process.platform } = where;
  const home = knownHome(environment);
  const own = environment.CLAUDE_CONFIG_DIR?.trim() || (home === null ? null : join(home, '.claude'));
  const files = [
    ...(own === null ? [] : [join(own, 'settings.json')]),
    join(cwd, '.claude', 'settings.json'),
    join(cwd, '.claude', 'settings.local.json'),
  ];
  const flag = flagValue(args);
  const managed = where.managedFile ?? managedFile(platform);
  const layers = await Promise.all([
    ...files.map(async (from) => ({ from, kind: 'file' as const, env: envOf(await textOf(from)) })),
    flag === null ? null : { from: '--settings', kind: 'flag' as const, env: envOf(await flagText(flag, cwd)) },
    textOf(managed).then((text) => ({ from: managed, kind: 'managed' as const, env: envOf(text) })),
  ]);
  const settings = new Map<string, ClaudeSetting>();
  for (const layer of layers) {
    if (layer === null) continue;
    for (const [variable, value] of layer.env) settings.set(variable, { variable, value, from: layer.from, kind: layer.kind });
  }
  return settings;
}

/** Whether the command line gives settings itself; of two only the last would count. */
export function flagValue(args: readonly string[]): string | null {
  const index = args.findLastIndex((arg) => arg === '--settings' || arg.startsWith('--settings='));
  if (index === -1) return null;
  const arg = args[index] as string;
  return arg === '--settings' ? (args[index + 1] ?? '') : arg.slice('--settings='.length);
}

/** JSON, or the path of a file. */
async function flagText(value: string, cwd: string): Promise<string> {
  return value.trimStart().startsWith('{') ? value : textOf(resolve(cwd, value));
}

function managedFile(platform: NodeJS.Platform): string {
  if (platform === 'darwin') return '/Library/Application Support/ClaudeCode/managed-settings.json';
  return platform === 'win32' ? 'C:\\Program Files\\ClaudeCode\\managed-settings.json' : '/etc/claude-code/managed-settings.json';
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function envOf(text: string): readonly (readonly [string, string])[] {
  try {
    const { env } = JSON.parse(text) as { env?: unknown };
    if (typeof env !== 'object' || env === null) return [];
    return Object.entries(env).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []));
  } catch {
    return [];
  }
}
