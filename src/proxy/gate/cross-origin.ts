import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Config } from '../../config/settings.ts';

/** Browsers keep the answer to a preflight for this long at most (Chrome 2 hours, Firefox a day). */
const MAX_AGE_SECONDS = 86_400;
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
/** A list of header names, as a browser sends it (RFC 9110 section 5.6.2). */
const NAMES = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;

/**
 * What pages of KMI_PROXY_ALLOWED_ORIGINS need of a server (Fetch standard, "CORS protocol"): an answer to the question
 * a browser asks beforehand, and permission to read answers. Null when no origin is allowed. Nobody else gets any of it.
 */
export class CrossOrigin {
  readonly #allowed: ReadonlySet<string>;

  static of({ proxyAllowedOrigins }: Config): CrossOrigin | null {
    return proxyAllowedOrigins.length === 0 ? null : new CrossOrigin(proxyAllowedOrigins);
  }

  private constructor(origins: readonly string[]) {
    this.#allowed = new Set(origins);
  }

  /** Makes whatever is answered readable for the page, if its origin may. */
  open(origin: string, response: ServerResponse): void {
    if (isAllowedOrigin(origin, this.#allowed)) letRead(response, origin);
  }

  /** Answers a preflight, which carries no credential; false for any other request. The origin has been let in. */
  answered({ method, headers }: IncomingMessage, response: ServerResponse): boolean {
    if (method !== 'OPTIONS' || headers.origin === undefined || headers['access-control-request-method'] === undefined) {
      return false;
    }
    const names = headers['access-control-request-headers'] ?? '';
    const wantsPrivate = headers['access-control-request-private-network'] === 'true';
    writeHead.call(response, 204, undefined, [
      ...['access-control-allow-origin', headers.origin],
      ...['access-control-allow-methods', METHODS],
      ...(NAMES.test(names) ? ['access-control-allow-headers', names] : []),
      ...(wantsPrivate ? ['access-control-allow-private-network', 'true'] : []),
      ...['access-control-max-age', String(MAX_AGE_SECONDS)],
      ...['vary', 'origin, access-control-request-method, access-control-request-headers'],
    ]);
    response.end();
    return true;
  }
}

/** Node's own, whatever stands before it on a response. */
const writeHead = ServerResponse.prototype.writeHead as (
  this: ServerResponse,
  status: number,
  reason: string | undefined,
  headers: string[],
) => ServerResponse;

/** Origins are stored in small letters; schemes and hosts have no case, and some browsers write an extension's id in capitals. */
export function isAllowedOrigin(origin: string, allowed: ReadonlySet<string>): boolean {
  return allowed.has(origin) || allowed.has(origin.toLowerCase());
}

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined;

/** Puts the headers of CORS into the head of this one response, whoever writes it; the upstream's own ones are not for this page. */
function letRead(response: ServerResponse, origin: string): void {
  const withOrigin = (status: number, reason: string | Headers, given?: Headers): ServerResponse => {
    const headers = readable(flatten(typeof reason === 'string' ? given : (given ?? reason), response), origin);
    return writeHead.call(response, status, typeof reason === 'string' ? reason : undefined, headers);
  };
  response.writeHead = withOrigin as ServerResponse['writeHead'];
}

/** Headers given to `writeHead` in either form, and those set before, as a flat list. */
function flatten(given: Headers, response: ServerResponse): string[] {
  const flat: string[] = Array.isArray(given) ? given.map(String) : pairs(given ?? {});
  const names = new Set(flat.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
  for (const name of response.getHeaderNames()) {
    if (!names.has(name)) flat.push(...pairs({ [name]: response.getHeader(name) }));
    response.removeHeader(name);
  }
  return flat;
}

function pairs(headers: OutgoingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().flatMap((one) => [name, String(one)]),
  );
}

function readable(flat: readonly string[], origin: string): string[] {
  const headers: string[] = [];
  const exposed = new Set<string>();
  let varies = false;
  for (let n = 0; n < flat.length; n += 2) {
    const [name, value] = [flat[n] as string, flat[n + 1] as string];
    const lower = name.toLowerCase();
    if (lower.startsWith('access-control-')) continue;
    if (lower === 'vary' && /(?:^|[\s,])(?:origin|\*)(?:[\s,]|$)/i.test(value)) varies = true;
    headers.push(name, value);
    exposed.add(lower);
  }
  headers.push('access-control-allow-origin', origin);
  if (exposed.size > 0) headers.push('access-control-expose-headers', [...exposed].join(', '));
  if (!varies) headers.push('vary', 'origin');
  return headers;
}
