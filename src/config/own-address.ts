import { hostname, networkInterfaces } from 'node:os';
import { isLoopbackHost, type Listen } from './kinds.ts';

/**
 * Whether a URL leads to the address the proxy binds, under any name this machine can be known to have. Not known: port 0,
 * names that only a name server knows, forwarded ports; those loops are found when a request comes back.
 */
export function isOwnAddress(text: string, listen: Listen): boolean {
  if (!URL.canParse(text)) return false;
  const { hostname, port, protocol } = new URL(text);
  return isOwnPlace({ hostname, port: Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port) }, listen);
}

/** The same for a host and a port. */
export function isOwnPlace(place: { readonly hostname: string; readonly port: number }, { host, port }: Listen): boolean {
  if (port === 0 || place.port !== port) return false;
  const [called, bound] = [plainName(place.hostname), plainName(host)];
  if (called === bound) return true;
  // Two addresses of 127.0.0.0/8 are two addresses.
  if (isLoopbackAddress(called) && isLoopbackAddress(bound)) return false;
  if (isLoopback(called) && isLoopback(bound)) return true;
  const names = ownNames();
  const isHere = (name: string) => isLoopback(name) || names.has(name);
  return isHere(called) && (isWildcard(bound) || (names.has(called) && names.has(bound)));
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function isWildcard(name: string): boolean {
  return WILDCARDS.has(name);
}

/** To call a wildcard is to call this machine. */
function isLoopback(name: string): boolean {
  return isLoopbackHost(name) || isWildcard(name);
}

function isLoopbackAddress(name: string): boolean {
  return /^127\./.test(name) && isLoopbackHost(name);
}

/** Small letters, no brackets, no dot at the end; an IPv4 address mapped into IPv6 as the former. */
function plainName(name: string): string {
  const plain = name.toLowerCase().replace(/^\[|\]$|\.$/g, '');
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(plain);
  if (mapped === null) return plain;
  const [high, low] = [Number.parseInt(mapped[1] as string, 16), Number.parseInt(mapped[2] as string, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function ownNames(): ReadonlySet<string> {
  const name = plainName(hostname());
  const [short] = name.split('.') as [string];
  const addresses = Object.values(networkInterfaces())
    .flatMap((one) => one ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => plainName(address));
  return new Set([name, short, `${short}.local`, ...addresses]);
}
