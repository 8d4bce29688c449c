import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { cleanUp } from './cleanup.ts';

export type RawUpstream = {
  readonly baseUrl: string;
  readonly port: number;
  /** Everything that arrived on each connection, as latin1. */
  readonly received: readonly string[];
  readonly sockets: readonly Socket[];
};

/**
 * An upstream that says on the wire what no HTTP server would. `onHead` is called when the head of a request is complete,
 * with the head and how many requests the upstream had before. Whose account a key is, it does not know and does not count.
 */
export async function startRawUpstream(
  onHead: (socket: Socket, head: string, number: number) => void,
  { reads = true } = {},
): Promise<RawUpstream> {
  const received: string[] = [];
  const sockets: Socket[] = [];
  let requests = 0;
  const server = createServer((socket) => {
    const index = sockets.push(socket) - 1;
    received[index] = '';
    let carry = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      received[index] += text;
      carry += text;
      const end = carry.indexOf('\r\n\r\n');
      if (end === -1 || !/^[A-Z-]+ \S+ HTTP/.test(carry)) return;
      const head = carry.slice(0, end + 4);
      carry = '';
      if (head.startsWith('GET /coding/v1/me ')) {
        socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
        return;
      }
      if (!reads) socket.pause();
      onHead(socket, head, requests);
      requests += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}/coding/v1`, port, received, sockets };
}
