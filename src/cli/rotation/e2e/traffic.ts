import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ClientRequest } from 'node:http';
import type { RequestOptions } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { Config } from '../../../config/settings.ts';
import type { CheckAnswer } from '../../../core/trace/rotation-check.ts';
import { reasonOf } from '../../../errors.ts';
import { VERSION } from '../../../version.ts';

export type Traffic = {
  /** One GET through the proxy, its answer read to the end. Never rejects. */
  send(): Promise<CheckAnswer & { readonly isDryRun?: boolean }>;
};

/** A sender of GET requests to `url`, with the proxy's token when one is set. The signal ends those under way. */
export async function openTraffic(
  config: Pick<Config, 'proxyToken' | 'proxyTlsCert'>,
  url: string,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Traffic> {
  const isSecure = url.startsWith('https:');
  const { request } = isSecure ? await import('node:https') : await import('node:http');
  const options: RequestOptions = {
    // A connection for each request: what is checked is the proxy, not a socket that died between two batches.
    agent: false,
    headers: {
      'user-agent': `kmi/${VERSION}`,
      ...(config.proxyToken === '' ? {} : { authorization: `Bearer ${config.proxyToken}` }),
    },
    ...(isSecure && config.proxyTlsCert !== '' ? await trustOwnCertificate(config.proxyTlsCert) : {}),
  };
  // One listener for however many requests: Node warns of a signal that gathers more than ten.
  const underWay = new Set<ClientRequest>();
  signal.addEventListener('abort', () => {
    for (const call of underWay) call.destroy(new Error('interrupted'));
  });
  return {
    send: () =>
      new Promise((resolve) => {
        const call = request(url, options, (response) => {
          response.on('error', (error) => finish({ error: reasonOf(error) }));
          response.on('end', () =>
            finish({ status: response.statusCode ?? 0, isDryRun: response.headers['x-kmi-dry-run'] === 'true' }),
          );
          response.resume();
        });
        const timer = setTimeout(() => {
          finish({ error: 'no answer in time' });
          call.destroy();
        }, timeoutMs);
        const finish = (answer: CheckAnswer & { isDryRun?: boolean }) => {
          clearTimeout(timer);
          underWay.delete(call);
          resolve(answer);
        };
        underWay.add(call);
        call.on('error', (error) => finish({ error: reasonOf(error) }));
        call.end();
      }),
  };
}

/** Accepts only the proxy's own certificate, regardless of signer and host name: the token is sent to it. */
async function trustOwnCertificate(file: string): Promise<RequestOptions> {
  const own = await readFile(file);
  const { raw } = new X509Certificate(own);
  return {
    ca: [...rootCertificates, own],
    checkServerIdentity: (_host, certificate) =>
      certificate.raw.equals(raw)
        ? undefined
        : new Error('The certificate of the listener is not the one in KMI_PROXY_TLS_CERT.'),
  };
}
