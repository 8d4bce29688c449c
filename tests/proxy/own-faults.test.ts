import { expect, it } from 'vitest';
import { startTestProxy } from '../support/proxy.ts';

it('a fault inside the proxy is a plain 500 for the client and a stack in the log, and the next request is served', async () => {
  let isBroken = false;
  const clock = () => {
    if (!isBroken) return Date.now();
    isBroken = false;
    throw new Error('the clock fell off the wall');
  };
  const proxy = await startTestProxy({ app: { clock } });
  await proxy.chat();
  await proxy.state(({ keys }) => keys.a?.request_count === 1);
  isBroken = true;
  const answer = await proxy.chat();
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([500, 'internal']);
  expect(answer.text).not.toContain('wall');
  expect(await proxy.log('the clock fell off the wall')).toMatch(/"stack":"Error.*\.ts/);
  expect((await proxy.chat()).status).toBe(200);
});
