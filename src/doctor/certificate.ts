import { readFile } from 'node:fs/promises';
import type { Config } from '../config/settings.ts';
import { reasonOf } from '../errors.ts';
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
    const certificate = new X509Certificate(cert.bytes);
    if (!certificate.checkPrivateKey(createPrivateKey(key.bytes))) {
      return { is: 'unusable', problem: 'the certificate and the key do not belong together.' };
    }
    return { is: 'usable', validFrom: Date.parse(certificate.validFrom), validTo: Date.parse(certificate.validTo) };
  } catch {
    return { is: 'unusable', problem: 'the certificate or the key is not PEM.' };
  }
}

async function read(path: string): Promise<{ readonly bytes: Buffer } | { readonly problem: string }> {
  try {
    return { bytes: await readFile(path) };
  } catch (error) {
    return { problem: `${path} cannot be read (${reasonOf(error)}).` };
  }
}
