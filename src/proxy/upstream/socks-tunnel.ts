import { isIP, type Socket } from 'node:net';
import { credentialsRefused, proxyGaveUp, proxySpeaksOtherwise, socksRefused } from '../../core/network/connect-failure.ts';
import type { OutgoingProxy, ProxyAddress } from '../../core/network/outgoing-proxy.ts';

const VERSION = 5;
const NO_CREDENTIALS = 0;
const PASSWORD = 2;
const CONNECT = 1;
const [IPV4, NAME, IPV6] = [1, 3, 4] as const;

/**
 * Has a SOCKS5 proxy (RFC 1928, passwords RFC 1929) lead an open connection to `hostname:port`. The proxy gets the name
 * as it is and looks it up itself. Throws `ConnectFailure`.
 */
export async function openSocksTunnel(
  socket: Socket,
  via: OutgoingProxy & ProxyAddress,
  target: { readonly hostname: string; readonly port: number },
): Promise<void> {
  const reader = new ByteReader(socket);
  try {
    await negotiate(socket, reader, via, target);
  } finally {
    reader.release();
  }
}

async function negotiate(
  socket: Socket,
  reader: ByteReader,
  via: OutgoingProxy & ProxyAddress,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): Promise<void> {
  const way = { host: hostname, via };
  const read = async (bytes: number): Promise<Buffer> => {
    const part = await reader.read(bytes);
    if (part === null) throw proxyGaveUp(way, null);
    return part;
  };
  socket.write(Buffer.from(via.user === null ? [VERSION, 1, NO_CREDENTIALS] : [VERSION, 2, PASSWORD, NO_CREDENTIALS]));
  const [version, method] = await read(2);
  if (version !== VERSION) throw proxySpeaksOtherwise(via);
  if (method === PASSWORD && via.user !== null) {
    socket.write(passwordMessage(via.user, via.password));
    const [, status] = await read(2);
    if (status !== 0) throw credentialsRefused(via, 'SOCKS login');
  } else if (method !== NO_CREDENTIALS) throw credentialsRefused(via, 'SOCKS login');

  socket.write(Buffer.from([VERSION, CONNECT, 0, ...addressOf(hostname), port >> 8, port & 0xff]));
  const [replyVersion, reply = 1, , kind] = await read(4);
  if (replyVersion !== VERSION) throw proxySpeaksOtherwise(via);
  if (reply !== 0) throw socksRefused(way, reply);
  // The proxy's own address, which is of no use, and its port.
  if (kind === IPV4) await read(4 + 2);
  else if (kind === IPV6) await read(16 + 2);
  else if (kind === NAME) await read(((await read(1))[0] ?? 0) + 2);
  else throw proxySpeaksOtherwise(via);
}

const MOVES = ['readable', 'end', 'close'] as const;

/** Reads a socket by counts of bytes. Its errors have a listener of the connector's. */
class ByteReader {
  readonly #socket: Socket;
  #wake: () => void = () => undefined;
  // Listens all the time: a listener that comes back finds the same few bytes readable, and so on for ever.
  readonly #moved = () => this.#wake();

  constructor(socket: Socket) {
    this.#socket = socket;
    for (const event of MOVES) socket.on(event, this.#moved);
  }

  /** Null when the other side ends before. */
  async read(bytes: number): Promise<Buffer | null> {
    const socket = this.#socket;
    for (;;) {
      const part = socket.read(bytes) as Buffer | null;
      if (part !== null) return part.length === bytes ? part : null;
      if (socket.readableEnded || socket.destroyed) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** What has not been read stays for whoever reads next. */
  release(): void {
    for (const event of MOVES) this.#socket.off(event, this.#moved);
  }
}

function passwordMessage(user: string, password: string): Buffer {
  const [name, secret] = [user, password].map((text) => Buffer.from(text).subarray(0, 255)) as [Buffer, Buffer];
  return Buffer.concat([Buffer.from([1, name.length]), name, Buffer.from([secret.length]), secret]);
}

function addressOf(hostname: string): readonly number[] {
  switch (isIP(hostname)) {
    case 4:
      return [IPV4, ...hostname.split('.').map(Number)];
    case 6:
      return [IPV6, ...ipv6Bytes(hostname)];
    default: {
      const name = Buffer.from(hostname).subarray(0, 255);
      return [NAME, name.length, ...name];
    }
  }
}

/** The 16 bytes of an address in the form that `URL` gives it: groups in hex, one run of zeros left out. */
function ipv6Bytes(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
