/** Plain words for the codes of network errors, of Node, OpenSSL, undici and the system. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  ECONNABORTED: 'connection lost',
  EPIPE: 'connection lost',
  UND_ERR_SOCKET: 'connection lost',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found, no name server answers',
  ENETUNREACH: 'network unreachable',
  ENETDOWN: 'the network is down',
  EHOSTUNREACH: 'host unreachable',
  EHOSTDOWN: 'host unreachable',
  EADDRNOTAVAIL: 'this machine has no address for the way there',
  EACCES: 'this machine does not allow the connection',
  EPERM: 'this machine does not allow the connection',
  EMFILE: 'too many open files',
  ETIMEDOUT: 'timeout while connecting',
  UND_ERR_CONNECT_TIMEOUT: 'timeout while connecting',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate comes from an authority that is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an authority that is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an authority that is not known here',
  CERT_UNTRUSTED: 'its certificate comes from an authority that is not trusted here',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS',
  EPROTO: 'it does not speak TLS',
};

const TLS = /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|CERT|EPROTO|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/;

export type TlsTrouble = 'name' | 'time' | 'trust' | 'protocol';

/** What is wrong with TLS, by the code of an error; null: the code is of something else. */
export function tlsTrouble(code: string): TlsTrouble | null {
  if (!TLS.test(code)) return null;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH') return 'name';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'time';
  return /^(?:ERR_SSL|ERR_OSSL|EPROTO)/.test(code) ? 'protocol' : 'trust';
}

/** The code of a network error: its own, its cause's, or that of the first of several addresses that were tried. */
export function networkCode(error: unknown): string | null {
  for (let inner: unknown = error, depth = 0; inner instanceof Error && depth < 4; depth++) {
    const { code, cause } = inner as NodeJS.ErrnoException;
    if (typeof code === 'string' && code !== '') return code;
    if (inner.name === 'HTTPParserError') return 'HPE_INVALID';
    inner = inner instanceof AggregateError ? inner.errors[0] : cause;
  }
  return null;
}

/** "connection refused (ECONNREFUSED)": the words for a code, and the code to search for. */
export function describeNetworkCode(code: string | null): string {
  if (code === null) return 'network error';
  if (Object.hasOwn(WORDS, code)) return `${WORDS[code]} (${code})`;
  if (code.startsWith('HPE_')) return `the answer is not HTTP (${code})`;
  return tlsTrouble(code) === null ? code : `the TLS handshake failed (${code})`;
}
