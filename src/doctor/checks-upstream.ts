import { proxyUnusable } from '../core/network/connect-failure.ts';
import type { OutgoingProxy } from '../core/network/outgoing-proxy.ts';
import { answersOf, type Finding, shorten } from './finding.ts';

/** How far a call to an upstream came. */
export type UpstreamFact =
  | {
      readonly reached: 'answer';
      readonly status: number;
      readonly contentType: string;
      readonly ms: number;
      readonly date: number | null;
    }
  /** `name`: no address for the host; `connection`: no way there; `tls`: no trust or no handshake; `http`: no answer. */
  | { readonly reached: 'name' | 'connection' | 'tls' | 'http'; readonly reason: string }
  /** The outgoing proxy stands in the way, or did not get further; it is said who failed and what to change. */
  | { readonly reached: 'proxy'; readonly reason: string; readonly hint: string };

export type UpstreamCall = {
  readonly baseUrl: string;
  /** The keys that are sent there. */
  readonly labels?: readonly string[];
  /** The outgoing proxy in use and its variable, without credentials; null: direct. */
  readonly via: string | null;
  readonly fact: UpstreamFact;
};

/** Null: no upstream was asked, because of dry-run. */
export function checkUpstreams(calls: readonly UpstreamCall[] | null): readonly Finding[] {
  const { info } = answersOf('Upstream', 'upstream');
  if (calls === null) return [info('Not asked in dry-run.', '`kmi doctor --recheck-keys` asks it anyway.')];
  return calls.map(judgeCall);
}

/** Values that name no proxy; one that no call uses is worth knowing all the same. */
export function checkOutgoingProxies(proxies: readonly OutgoingProxy[]): readonly Finding[] {
  const { info, warn } = answersOf('Upstream', 'outgoing_proxy');
  const unusable = proxies.flatMap((proxy) => {
    if (!('problem' in proxy)) return [];
    const { message, hint } = proxyUnusable(proxy, proxy.problem);
    return [warn(message, hint)];
  });
  const [only] = proxies;
  if (proxies.length !== 1 || only?.variable.toLowerCase() !== 'http_proxy') return unusable;
  return [
    ...unusable,
    info(
      `${only.variable} is for http:// addresses alone: calls to the upstream go out directly.`,
      'Set HTTPS_PROXY or KMI_UPSTREAM_PROXY to send them through a proxy.',
    ),
  ];
}

function judgeCall({ baseUrl, labels = [], via, fact }: UpstreamCall): Finding {
  const { ok, warn, fail } = answersOf('Upstream', 'upstream');
  const { host, hostname } = new URL(baseUrl);
  const through = via === null ? '' : ` through ${via}`;
  switch (fact.reached) {
    case 'proxy':
      return fail(fact.reason, fact.hint);
    case 'name':
      return fail(`${hostname} has no address: ${fact.reason}.`, 'Check the network, the name server, and the base URL.');
    case 'connection':
      return fail(
        `${host} has an address, but no connection comes about: ${fact.reason}.`,
        'Check the firewall and VPN. If this network needs a proxy, set KMI_UPSTREAM_PROXY.',
      );
    case 'tls':
      return fail(
        `${host} is reached, but TLS fails: ${fact.reason}.`,
        'Something on the way may be inspecting TLS: add its certificate with NODE_EXTRA_CA_CERTS. Check the clock too.',
      );
    case 'http':
      return fail(
        `${host} is reached${through}, but does not answer: ${fact.reason}.`,
        'Try again; check the proxy or gateway on the way.',
      );
    case 'answer': {
      const { status, contentType, ms } = fact;
      if (status >= 500)
        return warn(`${host} answers with HTTP ${status}${through}.`, 'The upstream has trouble: try again later.');
      if (status >= 300 && status < 400) {
        return warn(`${host} redirects${through} (HTTP ${status}).`, 'Check the base URL; a network login page does this too.');
      }
      if (contentType.includes('html')) {
        return warn(
          `${host} answers with a web page${through}, not with the API.`,
          'Check the base URL; a network login page does this too.',
        );
      }
      if (status === 404) {
        const who = labels.length === 0 ? '' : ` of ${shorten(labels).join(', ')}`;
        return warn(
          `${host} answers${through} with HTTP 404 at ${new URL(baseUrl).pathname}: the base URL${who} is probably wrong (${baseUrl}).`,
          "Correct it, in the auth file or KMI_UPSTREAM_BASE_URL. Kimi's are https://api.kimi.com/coding/v1 and https://api.moonshot.ai/v1.",
        );
      }
      return ok(`${host} answers${through} (${layersOf(baseUrl, via)} fine, ${ms} ms).`);
    }
  }
}

function layersOf(url: string, via: string | null): string {
  if (via !== null) return 'HTTP';
  return url.startsWith('https:') ? 'DNS, TLS and HTTP' : 'HTTP';
}

export type ClockFacts = {
  /** Epoch ms, and the `Date` an upstream sent at about that time; null when none was asked or told. */
  readonly now: number;
  readonly upstreamDate: number | null;
  /** When the state file was written last; null when there is none. */
  readonly stateChangedAt: number | null;
};

const TOLERANCE_MS = 5 * 60_000;
/** Before this program existed. */
const EARLIEST = Date.UTC(2026, 0, 1);

/** A wrong clock makes cooldowns and quota resets come at the wrong time, and TLS fail. */
export function checkClock({ now, upstreamDate, stateChangedAt }: ClockFacts): Finding {
  const { ok, warn, fail } = answersOf('Setup', 'clock');
  const fix = 'Set the clock, or turn on time synchronisation.';
  if (upstreamDate !== null) {
    const off = now - upstreamDate;
    if (Math.abs(off) <= TOLERANCE_MS) return ok("The clock agrees with the upstream's.");
    const minutes = Math.round(Math.abs(off) / 60_000);
    return fail(`The clock is ${minutes} minutes ${off > 0 ? 'ahead of' : 'behind'} the upstream's.`, fix);
  }
  if (now < EARLIEST) return fail(`The clock says ${new Date(now).toISOString().slice(0, 10)}, which is long ago.`, fix);
  if (stateChangedAt !== null && stateChangedAt - now > TOLERANCE_MS) {
    return warn('The state was saved at a time in the future: the clock was set back.', fix);
  }
  return ok('The clock is plausible; it was not compared with the upstream.');
}
