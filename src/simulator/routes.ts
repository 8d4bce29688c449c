import type { Protocol } from './errors.ts';

/** What a request asks for. `other` is any method and path the API does not have. */
export type Route =
  | 'chat'
  | 'messages'
  | 'responses'
  | 'count_tokens'
  | 'models'
  | 'usages'
  | 'me'
  | 'files'
  | 'search'
  | 'fetch'
  | 'client_configs'
  | 'resource_configs'
  | 'other';

/** The routes that do the account's work: what quota, entitlement and rate refusals apply to unless a test says otherwise. */
export const WORK_ROUTES: readonly Route[] = ['chat', 'messages', 'responses', 'count_tokens', 'files', 'search', 'fetch'];

/** All but the two a health check asks. */
export const FORWARDED_ROUTES: readonly Route[] = [...WORK_ROUTES, 'models', 'client_configs', 'resource_configs', 'other'];

export const ALL_ROUTES: readonly Route[] = [...FORWARDED_ROUTES, 'usages', 'me'];

const ROUTES: ReadonlyMap<string, Route> = new Map([
  ['POST /chat/completions', 'chat'],
  ['POST /messages', 'messages'],
  ['POST /responses', 'responses'],
  ['POST /messages/count_tokens', 'count_tokens'],
  ['GET /models', 'models'],
  ['GET /usages', 'usages'],
  ['GET /me', 'me'],
  ['POST /files', 'files'],
  ['POST /search', 'search'],
  ['POST /fetch', 'fetch'],
  ['POST /client_configs', 'client_configs'],
  ['POST /resource_configs', 'resource_configs'],
]);

/** The route of a request (docs/kimi-api.md#endpoints). `path` has no query; outside the base path everything is `other`. */
export function findRoute(method: string, path: string, basePath: string): Route {
  if (!path.startsWith(basePath)) return 'other';
  return ROUTES.get(`${method} ${path.slice(basePath.length)}`) ?? 'other';
}

/** Whose envelope an answer on this path takes. */
export function protocolOf(path: string): Protocol {
  return path.endsWith('/messages') || path.endsWith('/messages/count_tokens') ? 'anthropic' : 'openai';
}

/**
 * The key a request names: a Bearer token anywhere, else `x-api-key` on the Anthropic paths
 * (docs/kimi-api.md#credentials).
 */
export function readKey(authorization: string | undefined, xApiKey: string | undefined, protocol: Protocol): string | null {
  if (authorization !== undefined && authorization.slice(0, 7).toLowerCase() === 'bearer ') return authorization.slice(7).trim();
  if (protocol === 'anthropic' && xApiKey !== undefined) return xApiKey;
  return null;
}

/**
 * Prefixes the OpenAI-protocol chat lets through (docs/kimi-api.md#user-agent-gate, as measured; the last is Kimi
 * Code's own product token).
 */
const AGENT_PREFIXES = ['claude-cli/', 'claude-code/', 'KimiCLI/', 'kimi-code-cli/'];

export function isCodingAgent(userAgent: string | undefined): boolean {
  return userAgent !== undefined && AGENT_PREFIXES.some((prefix) => userAgent.startsWith(prefix));
}
