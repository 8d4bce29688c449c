import { isLoopbackHost } from '../config/kinds.ts';
import { isOwnAddress, isOwnPlace } from '../config/own-address.ts';
import type { Config } from '../config/settings.ts';
import type { OutgoingProxy } from '../core/network/outgoing-proxy.ts';
import { answersOf, type Finding } from './finding.ts';

/** Who listens at the proxy's address, as the daemon's side has found out. */
export type ListenerFact =
  | { readonly is: 'running'; readonly pid: number; readonly version: string }
  | { readonly is: 'stopped' }
  /** proxy.pid names a process that is gone. */
  | { readonly is: 'stale'; readonly pid: number }
  /** Something else; `blocks`: the proxy cannot start there. */
  | { readonly is: 'odd'; readonly text: string; readonly hint: string; readonly blocks: boolean };

/** The own TLS certificate, as far as it can be read. */
export type CertificateFact =
  | { readonly is: 'none' }
  | { readonly is: 'unusable'; readonly problem: string }
  /** Epoch ms. */
  | { readonly is: 'usable'; readonly validFrom: number; readonly validTo: number };

export type ProxyFacts = {
  readonly config: Config;
  /** What a client is pointed at. */
  readonly url: string;
  readonly version: string;
  readonly listener: ListenerFact;
  readonly certificate: CertificateFact;
  /** Where the keys' requests go. */
  readonly upstreams: readonly string[];
  /** What HTTPS_PROXY and the like name. */
  readonly outgoingProxies: readonly OutgoingProxy[];
  /** Epoch ms. */
  readonly now: number;
};

export function checkProxy(facts: ProxyFacts): readonly Finding[] {
  return [checkBind(facts), ...checkTls(facts), checkToken(facts), checkListening(facts), ...checkLoop(facts)];
}

function checkBind({ config }: ProxyFacts): Finding {
  const { ok, warn, fail } = answersOf('Proxy', 'proxy_bind');
  const { host, port } = config.proxyListen;
  if (isLoopbackHost(host)) return ok(`Binds to ${host}:${port}, which only this machine can reach.`);
  if (!config.proxyAllowRemote) {
    return fail(
      `Binds to ${host}:${port}, which other machines can reach, and that is not permitted.`,
      'Bind to 127.0.0.1, or set KMI_PROXY_ALLOW_REMOTE=1.',
    );
  }
  return warn(`Binds to ${host}:${port}: other machines can reach it.`, 'Bind to 127.0.0.1 unless that is meant.');
}

const SOON_MS = 14 * 24 * 3_600_000;

function checkTls({ config, certificate, now }: ProxyFacts): readonly Finding[] {
  const { ok, info, warn, fail } = answersOf('Proxy', 'proxy_tls');
  switch (certificate.is) {
    case 'unusable':
      return [fail(`Own TLS: ${certificate.problem}`, 'Correct KMI_PROXY_TLS_CERT and KMI_PROXY_TLS_KEY.')];
    case 'usable': {
      const { validFrom, validTo } = certificate;
      const day = new Date(validTo).toISOString().slice(0, 10);
      const fix = 'Renew the certificate and restart the proxy.';
      if (validTo <= now) return [fail(`Own TLS: the certificate expired on ${day}.`, fix)];
      if (validFrom > now)
        return [fail('Own TLS: the certificate is not valid yet.', 'Check the clock, or renew the certificate.')];
      if (validTo - now < SOON_MS) return [warn(`Own TLS: the certificate expires on ${day}.`, fix)];
      return [ok(`Own TLS: the certificate is valid until ${day}.`)];
    }
    case 'none': {
      if (isLoopbackHost(config.proxyListen.host)) return [];
      if (config.proxyTlsTerminated) return [info('TLS ends in front of the proxy, as KMI_PROXY_TLS_TERMINATED says.')];
      if (!config.proxyRequireTls) {
        return [warn('Other machines reach the proxy without TLS: prompts and the token can be read in transit.', TLS_FIX)];
      }
      return [fail('Other machines can reach the address, and there is no TLS.', TLS_FIX)];
    }
  }
}

const TLS_FIX =
  'Set KMI_PROXY_TLS_CERT and KMI_PROXY_TLS_KEY, or KMI_PROXY_TLS_TERMINATED=1 when TLS ends in front of the proxy.';
const TOKEN_LENGTH = 16;

function checkToken({ config }: ProxyFacts): Finding {
  const { ok, info, warn, fail } = answersOf('Proxy', 'proxy_token');
  const isRemote = !isLoopbackHost(config.proxyListen.host);
  const { proxyToken } = config;
  if (proxyToken === '') {
    return isRemote
      ? fail('Other machines can reach the address, and there is no client token.', '`kmi proxy --make-token` makes one.')
      : info(
          'No client token: every program on this machine may use the proxy.',
          '`kmi proxy --make-token` makes one that your own clients send.',
        );
  }
  return isRemote && proxyToken.length < TOKEN_LENGTH
    ? warn('The client token is short enough to be guessed.', `Use ${TOKEN_LENGTH} random characters or more.`)
    : ok('Clients must send the token.');
}

function checkListening({ listener, url, version }: ProxyFacts): Finding {
  const { ok, warn, fail } = answersOf('Proxy', 'proxy_listening');
  switch (listener.is) {
    case 'running':
      return listener.version === version
        ? ok(`Answers at ${url} (pid ${listener.pid}, version ${version}).`)
        : warn(
            `The running proxy (pid ${listener.pid}) is version ${listener.version}; this is ${version}.`,
            'Restart it: `kmi restart`.',
          );
    case 'stopped':
      return warn(`Does not run: nothing listens at ${url}.`, 'Start it with `kmi proxy`.');
    case 'stale':
      return warn(
        `Does not run: its process ${listener.pid} ended without being stopped.`,
        'See `kmi logs --no-follow`, then start it with `kmi proxy`; `kmi doctor --fix` removes the stale proxy.pid.',
      );
    case 'odd':
      return (listener.blocks ? fail : warn)(listener.text, listener.hint);
  }
}

/** Requests that come back to the proxy would go round until something breaks. */
function checkLoop({ config, upstreams, outgoingProxies }: ProxyFacts): readonly Finding[] {
  const { fail } = answersOf('Proxy', 'proxy_loop');
  const loops = upstreams.filter((url) => isOwnAddress(url, config.proxyListen));
  const viaProxy = outgoingProxies.filter((proxy) => !('problem' in proxy) && isOwnPlace(proxy, config.proxyListen));
  return [
    ...loops.map((url) => fail(`The upstream ${url} is this proxy itself.`, 'Correct KMI_UPSTREAM_BASE_URL or the auth file.')),
    ...viaProxy.map(({ variable }) =>
      fail(
        `${variable} names this proxy, which is no proxy for other programs: calls would come back to it.`,
        `Unset ${variable}.`,
      ),
    ),
  ];
}
