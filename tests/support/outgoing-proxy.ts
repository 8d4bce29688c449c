import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { writeCertificate } from './certificate.ts';
import { cleanUp } from './cleanup.ts';

/** The port of a server on loopback that ends with the test file, connections and all. */
export async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** An upstream with a name that only a tunnel's end knows. */
export async function startNamedUpstream(answer?: RequestListener) {
  const files = writeCertificate();
  const requests: string[] = [];
  let connections = 0;
  const server = createTlsServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, (request, response) => {
    requests.push(`${request.headers.host} ${request.url} ${request.headers.authorization}`);
    request.resume().on('end', () => {
      if (answer === undefined) response.end('{"through":"tunnel"}');
      else answer(request, response);
    });
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  return { port: await listening(server), ca: files.cert, requests, server, connections: () => connections };
}

/** A CONNECT proxy that leads every name to one port, unless it `isBusy`. Give it a TLS server to be an https:// proxy. */
export async function startConnectProxy(target: number, server: HttpServer = createHttpServer(), isBusy = () => false) {
  const asked: string[] = [];
  server.on('connect', (request, socket: Socket) => {
    if (isBusy()) {
      socket.on('error', () => undefined).end('HTTP/1.1 503 Busy\r\n\r\n');
      return;
    }
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    leadOn(socket, target, () => socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'));
  });
  return { port: await listening(server), asked };
}

export type SocksLogin = { readonly user: string; readonly password: string };

/** A SOCKS5 proxy (RFC 1928) that leads every name to one port, with a login (RFC 1929) when one is given. */
export async function startSocksProxy(target: number, login: SocksLogin | null = null) {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    const connectNext = () =>
      socket.once('data', (request: Buffer) => {
        asked.push(request.subarray(5, 5 + (request[4] ?? 0)).toString());
        // In pieces, as networks do.
        leadOn(socket, target, () => {
          socket.write(Buffer.from([5, 0, 0]));
          setTimeout(() => socket.write(Buffer.from([1, 0, 0, 0, 0, 0, 0])), 20);
        });
      });
    socket.once('data', (greeting: Buffer) => {
      if (login === null) {
        socket.write(Buffer.from([5, 0]));
        connectNext();
        return;
      }
      if (!greeting.subarray(2).includes(2)) {
        socket.end(Buffer.from([5, 0xff]));
        return;
      }
      socket.write(Buffer.from([5, 2]));
      socket.once('data', (said: Buffer) => {
        const { user, password } = login;
        const expected = Buffer.from([1, user.length, ...Buffer.from(user), password.length, ...Buffer.from(password)]);
        const isRight = said.equals(expected);
        socket.write(Buffer.from([1, isRight ? 0 : 1]));
        if (isRight) connectNext();
        else socket.end();
      });
    });
  });
  return { port: await listening(server), asked };
}

function leadOn(socket: Socket, target: number, opened: () => void): void {
  const onward = connect(target, '127.0.0.1', () => {
    opened();
    onward.pipe(socket).pipe(onward);
  });
  for (const end of [socket, onward]) end.on('error', () => undefined);
  socket.on('close', () => onward.destroy());
  onward.on('close', () => socket.destroy());
}
