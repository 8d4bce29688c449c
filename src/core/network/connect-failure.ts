import { describeNetworkCode, networkCode, type TlsTrouble, tlsTrouble } from './network-words.ts';
import { type OutgoingProxy, PROXY_FORMS, shownProxy } from './outgoing-proxy.ts';

/**
 * No connection to an upstream came about, so nothing of the request was sent: no key can be to blame. Says who failed or
 * refused, and what to change; never holds the credentials of a proxy.
 */
export class ConnectFailure extends Error {
  readonly code = 'KMI_CONNECT_FAILURE';
  readonly hint: string;
  /** Trying again changes nothing. */
  readonly isLasting: boolean;

  constructor(message: string, hint: string, { isLasting = false }: { isLasting?: boolean } = {}) {
    super(message);
    this.name = 'ConnectFailure';
    this.hint = hint;
    this.isLasting = isLasting;
  }
}

type Way = { readonly host: string; readonly via: OutgoingProxy | null };

/** The upstream itself could not be reached, directly or at the end of a tunnel. */
export function upstreamFailure({ host, via }: Way, error: unknown): ConnectFailure {
  if (error instanceof ConnectFailure) return error;
  const code = networkCode(error);
  const tls = code === null ? null : tlsTrouble(code);
  const reason = describeNetworkCode(code);
  const through = via === null ? '' : ` through ${named(via)}`;
  if (tls !== null) return new ConnectFailure(`${host} was reached${through}, but TLS failed: ${reason}.`, TLS_HINTS[tls]);
  return new ConnectFailure(`${host} could not be reached${through}: ${reason}.`, via === null ? DIRECT_HINT : SEE_DOCTOR);
}

const SEE_DOCTOR = 'See `kmi doctor`.';
const DIRECT_HINT =
  'Check the network and KMI_UPSTREAM_BASE_URL with `kmi doctor`. If this network needs a proxy, set KMI_UPSTREAM_PROXY.';
const TRUST_HINT =
  'Something on the way may inspect TLS: name a file with the certificate of its authority in NODE_EXTRA_CA_CERTS and restart the proxy.';
const TLS_HINTS: Readonly<Record<TlsTrouble, string>> = {
  trust: TRUST_HINT,
  time: `Check the clock of this machine. ${TRUST_HINT}`,
  name: 'Check KMI_UPSTREAM_BASE_URL. The sign-in page of a network shows a certificate of its own, too.',
  protocol: 'Check the port in KMI_UPSTREAM_BASE_URL, and what is in between.',
};

/** The outgoing proxy itself could not be reached. */
export function proxyUnreached(via: OutgoingProxy, error: unknown): ConnectFailure {
  if (error instanceof ConnectFailure) return error;
  const code = networkCode(error);
  const tls = code === null ? null : tlsTrouble(code);
  const text = `${capital(named(via))} could not be reached: ${describeNetworkCode(code)}.`;
  if (tls === null) return new ConnectFailure(text, `Start it, or correct ${via.variable}; unset it if no proxy is needed.`);
  return new ConnectFailure(
    text,
    tls === 'protocol'
      ? `Write http:// instead of https:// in ${via.variable}: most proxies are spoken to without TLS.`
      : `Name a file with the certificate of its authority in NODE_EXTRA_CA_CERTS, or correct ${via.variable}.`,
  );
}

/** The variable names no proxy that could be used. */
export function proxyUnusable({ variable }: OutgoingProxy, problem: string): ConnectFailure {
  return new ConnectFailure(
    `${variable} cannot be used as the outgoing proxy: ${problem}.`,
    `Write it as ${PROXY_FORMS}, or unset it; then restart the proxy with \`kmi restart\`.`,
    { isLasting: true },
  );
}

/** The proxy answered a CONNECT with a status that opens no tunnel. `schemes`: what its `Proxy-Authenticate` asks for. */
export function tunnelRefused({ host, via }: Way & { via: OutgoingProxy }, status: number, schemes: string): ConnectFailure {
  const who = capital(named(via));
  if (status === 407) return credentialsRefused(via, '407', schemes);
  if (status === 403 || status === 401) {
    return new ConnectFailure(`${who} refuses to connect to ${host} (${status}).`, permission(host, via));
  }
  if (status >= 500 && status !== 501) {
    return new ConnectFailure(
      `${who} could not connect to ${host} (${status}).`,
      `Try again. If it keeps failing, ask the operator of that proxy, or correct ${via.variable}.`,
    );
  }
  return new ConnectFailure(
    `${who} opens no connection to ${host}: it answered ${status}.`,
    `Check the address in ${via.variable}: this may be a web server, a sign-in page or a proxy for http:// alone.`,
  );
}

/** The proxy wants credentials, or different ones. `code` is from its answer, so that users can search for it. */
export function credentialsRefused(via: OutgoingProxy, code: string, schemes = ''): ConnectFailure {
  const who = capital(named(via));
  const lacksBasic = schemes !== '' && !/\bbasic\b/i.test(schemes);
  const sent = 'user' in via && via.user !== null;
  const text = sent
    ? `${who} does not accept the user name and password it was given (${code}).`
    : `${who} asks for a user name and a password (${code}).`;
  if (lacksBasic) {
    const wanted = /^[\w-]{1,20}/.exec(schemes)?.[0] ?? 'another method';
    return new ConnectFailure(
      text,
      `It asks for ${wanted}, but kmi supports only Basic: run a local helper for ${wanted} and name it in ${via.variable}.`,
      { isLasting: true },
    );
  }
  return new ConnectFailure(
    text,
    `Write them into ${via.variable} as ${formOf(via)}, special characters percent-encoded; then restart the proxy with \`kmi restart\`.`,
    { isLasting: true },
  );
}

/** A SOCKS5 proxy's reply that opens no tunnel (RFC 1928 section 6). */
export function socksRefused({ host, via }: Way & { via: OutgoingProxy }, reply: number): ConnectFailure {
  const who = capital(named(via));
  const reason = SOCKS_REPLIES[reply] ?? 'no reason known';
  const text = `${who} could not connect to ${host}: ${reason} (SOCKS reply ${reply}).`;
  if (reply !== NOT_ALLOWED)
    return new ConnectFailure(text, `Try again. If it keeps failing, check that proxy and ${via.variable}.`);
  return new ConnectFailure(`${who} refuses to connect to ${host}: ${reason} (SOCKS reply ${reply}).`, permission(host, via));
}

const NOT_ALLOWED = 2;
const SOCKS_REPLIES: Readonly<Record<number, string>> = {
  1: 'it failed',
  2: 'its rules do not allow it',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'the way is too long',
  7: 'it does not connect to others',
  8: 'it does not know this kind of address',
};

/** What answers at the proxy's address does not speak the protocol that the variable names. */
export function proxySpeaksOtherwise(via: OutgoingProxy): ConnectFailure {
  const isSocks = 'protocol' in via && via.protocol === 'socks5';
  return new ConnectFailure(
    `${capital(named(via))} does not answer like ${isSocks ? 'a SOCKS5' : 'an HTTP'} proxy.`,
    `Check the scheme and port in ${via.variable}: perhaps it is ${isSocks ? 'http://' : 'socks5://'}.`,
  );
}

/** The proxy took the connection and then closed it, or said nothing. */
export function proxyGaveUp({ host, via }: Way & { via: OutgoingProxy }, silentMs: number | null): ConnectFailure {
  const what =
    silentMs === null
      ? `closed the connection instead of connecting to ${host}`
      : `did not connect to ${host} within ${silentMs / 1000} s`;
  return new ConnectFailure(
    `${capital(named(via))} ${what}.`,
    `Check the scheme and port in ${via.variable}, and whether that proxy works.`,
  );
}

function permission(host: string, { variable }: OutgoingProxy): string {
  const around = variable.startsWith('KMI_') ? `unset ${variable}` : `name ${host} in NO_PROXY`;
  return `Ask the operator of that proxy to allow ${host}. If you can connect directly, ${around}.`;
}

function formOf(via: OutgoingProxy): string {
  if (!('protocol' in via)) return 'http://user:password@host:port';
  return `${via.protocol}://user:password@${shownProxy(via)}`;
}

/** The proxy and where it is named, without its credentials. */
function named(via: OutgoingProxy): string {
  return `the outgoing proxy ${'protocol' in via ? `${shownProxy(via)} ` : ''}(${via.variable})`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
