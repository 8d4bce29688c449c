import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cleanUp } from '../support/cleanup.ts';

type Posted = { readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: Record<string, unknown> };

export type Hook = { readonly origin: string; readonly posted: readonly Posted[] };

/** A webhook's server. `statuses`: of its answers, the last one for all further ones; 0 answers nothing. */
export async function startHook(statuses: readonly number[] = [200]): Promise<Hook> {
  const posted: Posted[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const status = statuses[Math.min(posted.length, statuses.length - 1)] as number;
      posted.push({ url: request.url ?? '', headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
      if (status === 0) request.socket.destroy();
      else response.writeHead(status).end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, posted };
}
