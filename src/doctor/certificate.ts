import { readFile } from 'node:fs/promises';
import type { Config } from '../config/settings.ts';
import { reasonOf } from '../errors.ts';
import { textOf } from '../files/text-bytes.ts';
import type { CertificateFact } from './checks-proxy.ts';

/** Looks at the proxy's own certificate and key: readable, belonging together, and from when to when valid. */
export async function readCertificate({
  proxyTlsCert,
  proxyTlsKey,
}: Pick<Config, 'proxyTlsCert' | 'proxyTlsKey'>): Promise<CertificateFact> {
  if (proxyTlsCert === '') return { is: 'none' };
  const [cert, key] = await Promise.all([read(proxyTlsCert), read(proxyTlsKey)]);
  if ('problem' in cert) return { is: 'unusable', problem: cert.problem };
  if ('problem' in key) return { is: 'unusable', problem: key.problem };
  const { createPrivateKey, X509Certificate } = await import('node:crypto');
  try {
    const certificate = new X509Certificate(cert.pem);
    if (!certificate.checkPrivateKey(createPrivateKey(key.pem))) {
      return { is: 'unusable', problem: 'the certificate and the key do not belong together.' };
    }
    return { is: 'usable', validFrom: Date.parse(certificate.validFrom), validTo: Date.parse(certificate.validTo) };
  } catch {
    return { is: 'unusable', problem: 'the certificate or the key is not PEM.' };
  }
}

async function read(path: string): Promise<{ readonly pem: string | Buffer } | { readonly problem: string }> {
  try {
    const bytes = await readFile(path);
    return { pem: textOf(bytes) ?? bytes };
  } catch (error) {
    return { problem: `${path} cannot be read (${reasonOf(error)}).` };
  }
}
