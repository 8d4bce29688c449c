import { isLoopbackHost } from '../config/kinds.ts';
import type { Config } from '../config/settings.ts';
import { KmiError } from '../errors.ts';
import { readTls } from './gate/tls-files.ts';
import { refuseOwnAddress } from './upstream/loop-guard.ts';
import type { ProxyEnvironment } from './upstream/upstreams.ts';

/** Throws `unsafe_bind` or `loop` for settings the proxy does not serve with, before anything is bound. */
export function refuseStart(config: Config, environment: ProxyEnvironment): void {
  checkBind(config);
  refuseOwnAddress(config, environment);
  if (config.proxyTlsCert !== '') readTls(config);
}

/** A bind that others can reach needs permission, TLS (own or in front) unless waived, and a token. */
function checkBind(config: Config): void {
  const { host } = config.proxyListen;
  if (isLoopbackHost(host)) return;
  const refuse = (reason: string, hint: string) => {
    throw new KmiError('unsafe_bind', `${host} can be reached from other machines, and ${reason}.`, { hint });
  };
  if (!config.proxyAllowRemote) refuse('remote use is not permitted', 'Bind to 127.0.0.1, or set KMI_PROXY_ALLOW_REMOTE=1.');
  const hasTls = config.proxyTlsCert !== '' || config.proxyTlsTerminated;
  if (config.proxyRequireTls && !hasTls) {
    refuse(
      'there is no TLS',
      'Set KMI_PROXY_TLS_CERT and KMI_PROXY_TLS_KEY, or KMI_PROXY_TLS_TERMINATED=1 when TLS ends in front of the proxy.',
    );
  }
  if (config.proxyToken === '') {
    refuse('there is no client token', 'Set KMI_PROXY_TOKEN to a long random text, or make one: `kmi proxy --make-token`.');
  }
}
