import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cleanUp } from './cleanup.ts';

export type HttpUpstream = {
  readonly baseUrl: string;
  /** The keys of the requests that `answer` got, in order, without those of `/me` and `/usages`. */
  readonly keys: string[];
};

/** What `/usages` says: an object as JSON, or an answer of its own. */
export type UsagesAnswer = object | ((response: ServerResponse) => void);

const HALF_USED = { usage: { limit: '100', used: '50', remaining: '50' } };

/** An upstream that answers in the test's own way, byte for byte. Its `/me` gives each key an account of its own. */
export async function startHttpUpstream(
  answer: (response: ServerResponse, key: string, request: IncomingMessage) => void,
  usages: (key: string) => UsagesAnswer = () => HALF_USED,
): Promise<HttpUpstream> {
  const keys: string[] = [];
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const key = (request.headers.authorization ?? '').replace('Bearer ', '');
      if (request.url?.endsWith('/me')) sendJson(response, 200, { user_id: key });
      else if (request.url?.endsWith('/usages')) {
        const said = usages(key);
        if (typeof said === 'function') said(response);
        else sendJson(response, 200, said);
      } else {
        keys.push(key);
        answer(response, key, request);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/coding/v1`, keys };
}

export function sendJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export const sendChatAnswer = (response: ServerResponse): void =>
  sendJson(response, 200, { id: 'x', object: 'chat.completion', choices: [] });
