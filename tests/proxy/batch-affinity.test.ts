import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type HttpUpstream, sendJson, startHttpUpstream } from '../support/http-upstream.ts';
import { type InProcessProxy, keyOf, startTestProxy } from '../support/proxy.ts';

const JSON_BODY = { 'content-type': 'application/json' };
const LABELS = ['a', 'b', 'c'];

type Batches = { readonly upstream: HttpUpstream; readonly proxy: InProcessProxy; readonly finish: () => void };

/** An upstream with batches of both protocols, which name their output once they are finished. */
async function startBatches(strategy: string, isPacked = false): Promise<Batches> {
  let made = 0;
  let isFinished = false;
  const keysOf = new Map<string, string>();
  const batch = (id: string) => ({
    id,
    output_file_id: isFinished ? `out-${id}` : null,
    error_file_id: isFinished ? `err-${id}` : null,
  });
  const answer = (response: ServerResponse, key: string, request: IncomingMessage) => {
    const path = (request.url ?? '').replace(/^.*\/v1|\?.*$/g, '');
    const say = (body: object) => {
      if (!isPacked) return sendJson(response, 200, body);
      response.writeHead(200, { ...JSON_BODY, 'content-encoding': 'gzip' }).end(gzipSync(JSON.stringify(body)));
    };
    if (request.method === 'POST' && /\/(?:batches|files)$/.test(path)) {
      made += 1;
      const id = `${path.startsWith('/messages') ? 'msgbatch' : path === '/files' ? 'file' : 'batch'}_${made}`;
      keysOf.set(id, key);
      say(path === '/files' ? { id } : batch(id));
    } else if (request.method === 'GET' && path.endsWith('/batches')) {
      say({
        object: 'list',
        data: [...keysOf].filter(([id, own]) => own === key && id.includes('batch')).map(([id]) => batch(id)),
      });
    } else say(batch(path.split('/').find((one) => keysOf.has(one)) ?? 'none'));
  };
  const upstream = await startHttpUpstream(answer);
  const proxy = await startTestProxy({
    accounts: LABELS.map((name) => ({ name, keys: [keyOf(name)] })),
    autoRotate: true,
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_ROTATE_STRATEGY: strategy },
  });
  return {
    upstream,
    proxy,
    finish: () => {
      isFinished = true;
    },
  };
}

const make = async ({ proxy, upstream }: Batches, path: string, body: object = {}) => {
  const answer = await proxy.send(path, {
    headers: { ...JSON_BODY, 'accept-encoding': 'identity' },
    body: JSON.stringify({ ...body, at: Math.random() }),
  });
  return { answer, key: upstream.keys.at(-1) as string };
};

describe.each(['round-robin', 'sticky', 'quota', 'weighted'])('with %s, a batch', (strategy) => {
  it.each([
    ['/batches', 'batch_1'],
    ['/messages/batches', 'msgbatch_1'],
  ])('made by POST %s is asked about, cancelled and fetched where it is', async (path, id) => {
    const batches = await startBatches(strategy);
    const { key } = await make(batches, path);
    const { proxy, upstream, finish } = batches;
    const from = upstream.keys.length;
    finish();
    const asked = [
      ['GET', `${path}/${id}`],
      ['GET', `${path}/${id}`],
      ['POST', `${path}/${id}/cancel`],
      ['GET', `${path}/${id}/results`],
      ['GET', `/files/out-${id}/content`],
      ['GET', `/files/err-${id}/content`],
      ['GET', `${path}?after=${id}`],
      ['GET', path],
      ['DELETE', `${path}/${id}`],
    ] as const;
    for (const [method, one] of asked) await proxy.send(one, { method });
    expect(upstream.keys.slice(from)).toEqual(asked.map(() => key));
  });
});

it('each of many batches is where it was made, and its input file decides where that is', async () => {
  const batches = await startBatches('round-robin');
  const { proxy, upstream } = batches;
  const file = await make(batches, '/files');
  const { id } = JSON.parse(file.answer.text) as { id: string };
  for (let n = 0; n < 2; n++) expect((await make(batches, '/batches', { input_file_id: id })).key).toBe(file.key);
  const made = [];
  for (let n = 0; n < 4; n++) made.push(await make(batches, '/messages/batches'));
  expect(new Set(made.map(({ key }) => key)).size).toBe(3);
  for (const { answer, key } of made) {
    await proxy.send(`/messages/batches/${(JSON.parse(answer.text) as { id: string }).id}`, { method: 'GET' });
    expect(upstream.keys.at(-1)).toBe(key);
  }
  await proxy.send('/files', { method: 'GET' });
  expect(upstream.keys.at(-1)).toBe(file.key);
  await proxy.send('/messages/batches', { method: 'GET' });
  expect(upstream.keys.at(-1)).toBe(made.at(-1)?.key);
});

it('a list names the batches of an account, and packed answers are read too', async () => {
  const batches = await startBatches('round-robin', true);
  const { proxy, upstream, finish } = batches;
  const { key } = await make(batches, '/batches');
  finish();
  await proxy.send('/batches', { method: 'GET' });
  for (let n = 0; n < 3; n++) await proxy.send('/files/out-batch_1/content', { method: 'GET' });
  expect(upstream.keys).toEqual(Array(5).fill(key));
});
