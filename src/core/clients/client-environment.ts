import { anthropicUrl, CLAUDE_DETOURS } from './client-flags.ts';
import type { KimiModel } from './kimi-model.ts';

/** What a client is told of the proxy. */
export type ProxyAccess = {
  /** `http://127.0.0.1:54123/kmi-rotor/v1`, without a slash at its end. */
  readonly url: string;
  /** The client token; empty when the proxy asks for none. */
  readonly token: string;
};

export type Variables = Readonly<Record<string, string | undefined>>;

/** A variable and its new value; null takes it out of the environment. */
export type Changes = ReadonlyMap<string, string | null>;

/** Clients refuse to start without a key, and a proxy without a token takes any. */
const ANY_KEY = 'kmi';

/**
 * What points kimi-cli and Kimi Code at the proxy (docs/kimi-api.md#environment-variables). Each ignores the variables
 * of the other, but for `KIMI_MODEL_*`: `model` is what `pickModel` decided, null leaves them as they are.
 */
export function kimiVariables(access: ProxyAccess, model: KimiModel | null, environment: Variables): Changes {
  const key = access.token || ANY_KEY;
  return new Map([
    ['KIMI_BASE_URL', access.url],
    ['KIMI_API_KEY', key],
    ...modelVariables(model, environment),
    ['KIMI_MODEL_BASE_URL', access.url],
    ['KIMI_MODEL_API_KEY', key],
    ['KIMI_WEB_SEARCH_BASE_URL', `${access.url}/search`],
    ['KIMI_WEB_SEARCH_API_KEY', key],
    ['KIMI_WEB_FETCH_BASE_URL', `${access.url}/fetch`],
    ['KIMI_WEB_FETCH_API_KEY', key],
    ...directLoopback(access.url, environment),
  ]);
}

/** What points any OpenAI- or Anthropic-speaking program at the proxy, the Kimi clients included. */
export function programVariables(access: ProxyAccess, model: KimiModel | null, environment: Variables): Changes {
  const key = access.token || ANY_KEY;
  return new Map<string, string | null>([
    ['OPENAI_BASE_URL', access.url],
    ['OPENAI_API_KEY', key],
    ['ANTHROPIC_BASE_URL', anthropicUrl(access.url)],
    ['ANTHROPIC_API_KEY', key],
    // Claude Code warns when both are set, and would send this one.
    ['ANTHROPIC_AUTH_TOKEN', null],
    ...CLAUDE_DETOURS.filter((name) => isSet(environment, name)).map((name): [string, null] => [name, null]),
    ...openCodeVariables(access.url, key, model, environment),
    ...kimiVariables(access, model, environment),
  ]);
}

/** The environment with the changes made. */
export function changeEnvironment(environment: Variables, changes: Changes): Record<string, string | undefined> {
  const changed = { ...environment };
  for (const [name, value] of changes) {
    if (value === null) delete changed[name];
    else changed[name] = value;
  }
  return changed;
}

function modelVariables(model: KimiModel | null, environment: Variables): [string, string][] {
  if (model === null) return [];
  const { name, maxContextSize, capabilities } = model;
  const variables: [string, string][] = [
    ['KIMI_MODEL_NAME', name],
    ['KIMI_MODEL_MAX_CONTEXT_SIZE', maxContextSize === null ? '' : String(maxContextSize)],
    ['KIMI_MODEL_CAPABILITIES', capabilities.join(',')],
  ];
  return variables.filter(([variable, value]) => value !== '' && !isSet(environment, variable));
}

/**
 * OpenCode reads neither family; a config in a variable is its highest layer, so nothing needs to be written. Its own list of
 * providers changes, and settings for an id it does not know make it fail: this provider is complete in itself.
 */
function openCodeVariables(url: string, key: string, model: KimiModel | null, environment: Variables): [string, string][] {
  if (isSet(environment, 'OPENCODE_CONFIG_CONTENT')) return [];
  const name = modelName(model, environment);
  const limit = { context: model?.maxContextSize ?? 262_144, output: 32_768 };
  // Its Anthropic package adds /messages only, so the base keeps its /v1.
  const kmi = {
    npm: '@ai-sdk/anthropic',
    name: 'kmi',
    options: { baseURL: url, apiKey: key },
    models: { [name]: { name, limit } },
  };
  const config = { provider: { kmi }, model: `kmi/${name}`, small_model: `kmi/${name}` };
  return [['OPENCODE_CONFIG_CONTENT', JSON.stringify(config)]];
}

/** The model to name to clients that know none of Kimi's. */
export function modelName(model: KimiModel | null, environment: Variables): string {
  return environment.KIMI_MODEL_NAME?.trim() || (model?.name ?? 'kimi-for-coding');
}

/** A program behind a company proxy must not send its loopback calls there. Both spellings are in use. */
function directLoopback(url: string, environment: Variables): [string, string][] {
  const wanted = new Set(['127.0.0.1', 'localhost', new URL(url).hostname.replace(/^\[|\]$/g, '')]);
  return ['NO_PROXY', 'no_proxy'].map((name) => {
    const hosts = (environment[name] ?? environment.NO_PROXY ?? environment.no_proxy ?? '')
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== '');
    if (hosts.includes('*')) return [name, '*'];
    return [name, [...new Set([...hosts, ...wanted])].join(',')];
  });
}

function isSet(environment: Variables, name: string): boolean {
  return (environment[name] ?? '').trim() !== '';
}
