import { createServer } from 'node:http';
import { Pool } from 'undici';

/**
 * The reference: the least that passes a request on with node:http and undici. It collects the body, dispatches it,
 * writes the answer as it comes. It chooses nothing, guards nothing, counts nothing and retries nothing.
 */

const origin = process.argv[2];
const pool = new Pool(origin, { connections: null, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

const server = createServer({ requestTimeout: 0, keepAliveTimeout: 75_000 }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const headers = [];
    for (let n = 0; n < request.rawHeaders.length; n += 2) {
      const name = request.rawHeaders[n].toLowerCase();
      if (name === 'host' || name === 'connection' || name === 'content-length') continue;
      headers.push(request.rawHeaders[n], request.rawHeaders[n + 1]);
    }
    const handler = {
      onRequestStart(controller) {
        response.on('close', () => {
          if (!response.writableFinished) controller.abort(new Error('client left'));
        });
      },
      onResponseStart(controller, status) {
        const raw = controller.rawHeaders.map((part) => part.toString('latin1'));
        const kept = [];
        for (let n = 0; n < raw.length; n += 2) {
          const name = raw[n].toLowerCase();
          if (name !== 'connection' && name !== 'transfer-encoding' && name !== 'keep-alive') kept.push(raw[n], raw[n + 1]);
        }
        response.sendDate = false;
        response.writeHead(status, kept);
      },
      onResponseData(controller, chunk) {
        if (response.write(chunk)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        response.destroy();
      },
    };
    pool.dispatch(
      {
        path: request.url,
        method: request.method,
        headers,
        body: body.length === 0 ? null : body,
      },
      handler,
    );
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
