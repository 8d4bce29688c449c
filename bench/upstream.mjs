import { createServer } from 'node:http';

/**
 * A static upstream for benchmarks: answers a chat with a fixed JSON body, or, asked for a stream, with CHUNKS events
 * PAUSE_MS apart, each carrying the time it was sent. Prints its port. Runs as a process of its own.
 */

const CHUNKS = Number(process.env.BENCH_CHUNKS ?? 50);
const PAUSE_MS = Number(process.env.BENCH_PAUSE_MS ?? 20);

const ANSWER = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'kimi-for-coding',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello. '.repeat(60) }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 500, completion_tokens: 60, total_tokens: 560 },
  }),
);
const HEADERS = ['content-type', 'application/json', 'content-length', String(ANSWER.length)];
const USAGE = JSON.stringify({ usage: { limit: '100', used: '10', remaining: '90' } });

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, ['content-type', 'application/json']);
    response.end(USAGE);
    return;
  }
  request.resume();
  request.on('end', () => {
    if (request.url?.endsWith('/stream')) stream(response);
    else {
      response.writeHead(200, HEADERS);
      response.end(ANSWER);
    }
  });
});

function stream(response) {
  response.writeHead(200, ['content-type', 'text/event-stream']);
  let sent = 0;
  const timer = setInterval(() => {
    response.write(`data: ${Date.now()} {"choices":[{"index":0,"delta":{"content":"some words of an answer"}}]}\n\n`);
    sent += 1;
    if (sent < CHUNKS) return;
    clearInterval(timer);
    response.end('data: [DONE]\n\n');
  }, PAUSE_MS);
  response.on('close', () => clearInterval(timer));
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
