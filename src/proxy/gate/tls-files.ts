import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createSecureContext, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import type { Config } from '../../config/settings.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { textOf } from '../../files/text-bytes.ts';
import type { LogPort } from '../ports.ts';

type TlsFiles = Pick<Config, 'proxyTlsCert' | 'proxyTlsKey'>;

const LOOK_MS = 1_000;

/** Certificate and key for own TLS. Throws `unsafe_bind` for files that cannot be read or do not belong together. */
export function readTls(config: TlsFiles): SecureContextOptions {
  try {
    const options = {
      cert: readPem(config.proxyTlsCert, 'CERTIFICATE'),
      key: readPem(config.proxyTlsKey, 'PRIVATE KEY'),
      minVersion: 'TLSv1.2',
    } as const satisfies SecureContextOptions;
    createSecureContext(options);
    return options;
  } catch (error) {
    if (error instanceof KmiError) throw error;
    throw new KmiError('unsafe_bind', `The TLS certificate or key cannot be used (${reasonOf(error)}).`, {
      hint: TLS_HINT,
      cause: error,
    });
  }
}

const TLS_HINT = 'Check KMI_PROXY_TLS_CERT and KMI_PROXY_TLS_KEY: both are PEM files that belong together.';

/**
 * The text of a file that holds at least one PEM block of the kind: Node takes an empty text for no certificate and would listen
 * without one, and then no handshake ends well. It may be UTF-16 or begin with a byte order mark, which OpenSSL does not read.
 */
function readPem(path: string, kind: 'CERTIFICATE' | 'PRIVATE KEY'): string {
  const bytes = readFileSync(path);
  const text = textOf(bytes) ?? bytes.toString('latin1');
  if (new RegExp(`^-----BEGIN (?:[A-Z0-9]+ )*${kind}-----`, 'm').test(text)) return text;
  const what = text.trim() === '' ? 'is empty' : `holds no ${kind.toLowerCase()} in PEM form`;
  throw new KmiError(
    'unsafe_bind',
    `The TLS ${kind === 'CERTIFICATE' ? 'certificate' : 'key'} cannot be used: ${path} ${what}.`,
    {
      hint: TLS_HINT,
    },
  );
}

/**
 * Takes a renewed certificate into use for new connections; those open stay. Two files cannot be replaced at one instant, so
 * a pair that does not fit is looked at again, and the old one serves meanwhile. Ends with the server.
 */
export function reloadTls(server: Server, config: TlsFiles, log: LogPort, lookMs: number = LOOK_MS): void {
  let known: string | null = null;
  let failed: string | null = null;
  let closed = false;
  const look = async () => {
    const now = await versionOf(config);
    if (known === null) known = now;
    else if (now !== known) {
      try {
        (server as unknown as TlsServer).setSecureContext(readTls(config));
        known = now;
        log.info('The TLS certificate was renewed.', { file: config.proxyTlsCert });
      } catch (error) {
        if (failed !== now) log.warn('The new TLS certificate cannot be used; the old one goes on.', { reason: reasonOf(error) });
        failed = now;
      }
    }
    if (!closed) timer = setTimeout(look, lookMs).unref();
  };
  let timer = setTimeout(look, 0).unref();
  server.once('close', () => {
    closed = true;
    clearTimeout(timer);
  });
}

async function versionOf({ proxyTlsCert, proxyTlsKey }: TlsFiles): Promise<string> {
  const versions = [proxyTlsCert, proxyTlsKey].map(async (path) => {
    const { ino, size, mtimeMs } = await stat(path).catch(() => ({ ino: 0, size: 0, mtimeMs: 0 }));
    return `${ino} ${size} ${mtimeMs}`;
  });
  return (await Promise.all(versions)).join(' ');
}
