import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopbackHost } from '../../config/kinds.ts';
import type { Config } from '../../config/settings.ts';
import { KmiError } from '../../errors.ts';
import type { RequestHead } from '../http/headers.ts';
import { isAllowedOrigin } from './cross-origin.ts';

/** Lets a request in or throws the KmiError it is refused with. */
export type Guard = (head: RequestHead, request: IncomingMessage) => void;

/**
 * HTTP/1.0 knows no chunks, so whoever stands in between may see the end of such a request elsewhere: what follows could be
 * smuggled past it (RFC 9112 section 6.1). Neither it nor anything after it on the connection is forwarded.
 */
export function framingGuard(): Guard {
  const distrusted = new WeakSet<Socket>();
  let isAny = false;
  return ({ isChunked }, { httpVersionMajor, httpVersionMinor, socket }) => {
    if (isChunked && httpVersionMajor === 1 && httpVersionMinor === 0) {
      distrusted.add(socket);
      isAny = true;
    }
    if (isAny && distrusted.has(socket)) {
      throw new KmiError('bad_framing', 'A request on this connection is HTTP/1.0 and has a Transfer-Encoding.');
    }
  };
}

/**
 * DNS rebinding and cross-site guard: the one `Host` must be a loopback name, the address the proxy is bound to, or an
 * allowed name; an `Origin`, which only a web page sends, must be allowed. Names are compared without port and case.
 */
export function hostGuard(config: Config): Guard {
  const allowedHosts = new Set([config.proxyListen.host.toLowerCase(), ...config.proxyAllowedHosts]);
  const allowedOrigins = new Set(config.proxyAllowedOrigins);
  // A client sends the same Host each time; remembering the last good one makes the check one comparison.
  let lastGood: string | null = null;
  return ({ host, hostCount, origin }) => {
    if (hostCount !== 1 || host === null) {
      throw new KmiError('forbidden_host', 'The request does not have exactly one Host.');
    }
    if (host !== lastGood) {
      if (!isAllowed(nameOf(host), allowedHosts)) {
        throw new KmiError('forbidden_host', 'The Host of the request is not one this proxy answers to.');
      }
      lastGood = host;
    }
    if (origin !== null && !isAllowedOrigin(origin, allowedOrigins)) {
      throw new KmiError('forbidden_origin', 'Web pages of this origin may not call the proxy.');
    }
  };
}

function isAllowed(name: string | null, allowed: ReadonlySet<string>): boolean {
  if (name === null) return false;
  if (isLoopbackHost(name) || allowed.has(name)) return true;
  for (const entry of allowed) if (entry.startsWith('*.') && name.endsWith(entry.slice(1))) return true;
  return false;
}

/** Host name of a `Host` value, lower case, IPv6 without brackets; null for anything that is not `name` or `name:port`. */
function nameOf(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::\d{1,5})?$/i.exec(host);
  return match === null ? null : (match[1] ?? (match[2] as string)).toLowerCase();
}

/**
 * The client token, from `Authorization: Bearer`, `x-kmi-proxy-token` or `x-api-key`. Hashes are compared in constant
 * time, so neither length nor content of the token can be measured. Null when no token is set.
 */
export function tokenGuard(config: Config): Guard | null {
  if (config.proxyToken === '') return null;
  // Node reads header bytes as latin1. Clients send a token that is not ASCII as UTF-8 or, as fetch does, as latin1.
  const expected = [digest(Buffer.from(config.proxyToken, 'utf8')), digest(Buffer.from(config.proxyToken, 'latin1'))];
  return ({ authorization, tokens, apiKeys }) => {
    const credentials = only(authorization);
    const bearer = credentials !== null && /^bearer /i.test(credentials) ? credentials.slice(7).trim() : null;
    for (const presented of [bearer, only(tokens), only(apiKeys)]) {
      if (presented === null) continue;
      const hash = digest(Buffer.from(presented, 'latin1'));
      if (expected.some((accepted) => timingSafeEqual(hash, accepted))) return;
    }
    throw new KmiError('unauthorized', 'The proxy token is missing or wrong.');
  };
}

/** A header sent twice says two things; neither counts. */
function only(values: readonly string[]): string | null {
  return values.length === 1 ? (values[0] as string) : null;
}

function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
