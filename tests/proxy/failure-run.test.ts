import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/http-client.ts';
import { openChat, startTestProxy, type TestProxy } from '../support/proxy.ts';

type Failing = { requests: number; failure: string | number; since: string; host?: string } | undefined;

async function failing(proxy: TestProxy): Promise<Failing> {
  const { text } = await send(`http://127.0.0.1:${proxy.port}/healthz`, { method: 'GET' });
  return (JSON.parse(text) as { failing?: Failing }).failing;
}

const becomes = (proxy: TestProxy, expected: object | undefined) =>
  eventually(async () => {
    const found = await failing(proxy);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
    return true;
  });

it('/healthz counts the requests in a row that the upstream failed, whatever the way', async () => {
  const proxy = await startTestProxy();
  const account = proxy.simulator.account('a');
  account.fail('internal', { times: 1 });
  await proxy.chat();
  await becomes(proxy, { requests: 1, failure: 500, host: new URL(proxy.simulator.baseUrl).host });
  account.fail('refuse', { times: 2 });
  await proxy.chat();
  await becomes(proxy, { requests: 2, failure: 'unreachable' });
  account.respondWith({ status: 403, chunks: ['<html>Sign in to this network</html>'] });
  await proxy.chat();
  await becomes(proxy, { requests: 3, failure: 403 });
});

it('a request of which the upstream says that it is at fault ends the count; one that nobody was asked for does not', async () => {
  const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_PROXY_MAX_RPM_PER_KEY: '2' } });
  for (const name of ['a', 'b']) proxy.simulator.account(name).fail('internal');
  for (let n = 0; n < 3; n++) await proxy.chat();
  await becomes(proxy, { requests: 2, failure: 500 });
  const other = await startTestProxy();
  other.simulator.account('a').fail('internal', { times: 1 });
  await other.chat();
  await becomes(other, { requests: 1 });
  other.simulator.account('a').fail('invalid_request');
  await other.chat();
  await becomes(other, undefined);
});

it('a client that leaves says nothing of the upstream', async () => {
  const proxy = await startTestProxy();
  const account = proxy.simulator.account('a');
  account.fail('internal', { times: 1 });
  await proxy.chat();
  await becomes(proxy, { requests: 1 });
  account.respondWith({ status: 200, headers: ['content-type', 'text/event-stream'], chunks: ['data: {}\n\n'], end: 'hang' });
  const { request, response } = openChat(proxy);
  await response;
  request.destroy();
  await proxy.trace(2);
  await becomes(proxy, { requests: 1 });
});

it('names no host where other machines can ask', async () => {
  const proxy = await startTestProxy({ settings: { KMI_PROXY_TOKEN: 't0ken-of-this-test', KMI_PROXY_TLS_TERMINATED: '1' } });
  proxy.simulator.account('a').fail('internal');
  await proxy.chat({}, { headers: { 'x-api-key': 't0ken-of-this-test' } });
  await becomes(proxy, { requests: 1, failure: 500 });
  expect(await failing(proxy)).not.toHaveProperty('host');
});
