import { describe, expect, it } from 'vitest';
import { chat, get, json, openSimulator, post } from './client.ts';

describe('who may do what', () => {
  it('refuses an unknown key in the envelope of the path', async () => {
    const simulator = await openSimulator();
    const openai = await chat(simulator, {}, { key: 'sk-wrong' });
    expect(openai.status).toBe(401);
    expect((await json(openai)).error.type).toBe('invalid_authentication_error');
    const anthropic = await post(simulator, '/messages', {}, { key: 'sk-wrong' });
    expect(anthropic.status).toBe(401);
    expect(await json(anthropic)).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
    for (const path of ['/models', '/usages', '/me']) {
      expect((await fetch(simulator.baseUrl + path)).status).toBe(401);
    }
    expect(simulator.received[0]).toMatchObject({ account: null, key: 'sk-wrong', status: 401 });
  });

  it('lets several keys be one account', async () => {
    const simulator = await openSimulator({
      accounts: [{ name: 'a', keys: ['sk-1', 'sk-2'], quota: { fiveHour: { limit: 2 } } }],
    });
    expect((await chat(simulator, {}, { key: 'sk-1' })).status).toBe(200);
    expect((await chat(simulator, {}, { key: 'sk-2' })).status).toBe(200);
    expect((await chat(simulator, {}, { key: 'sk-1' })).status).toBe(403);
  });

  it('revokes and issues keys while it runs', async () => {
    const simulator = await openSimulator({ accounts: [{ name: 'a', keys: ['sk-1'] }] });
    simulator.account('a').setKeys(['sk-2']);
    expect((await chat(simulator, {}, { key: 'sk-1' })).status).toBe(401);
    expect((await chat(simulator, {}, { key: 'sk-2' })).status).toBe(200);
  });

  it('refuses two accounts with one key or one name, and leaves the first alone', async () => {
    const simulator = await openSimulator({ accounts: [{ name: 'a', keys: ['sk-1'] }] });
    expect(() => simulator.addAccount({ name: 'b', keys: ['sk-1'] })).toThrow('share a key');
    expect(() => simulator.addAccount({ name: 'a', keys: [] })).toThrow('two accounts named a');
    const c = simulator.addAccount({ name: 'c', keys: ['sk-3'] });
    expect(() => c.setKeys(['sk-1'])).toThrow('share a key');
    expect(c.keys).toEqual(['sk-3']);
    expect((await chat(simulator, {}, { key: 'sk-1' })).status).toBe(200);
    expect(() => simulator.account('b')).toThrow('no account named b');
  });

  it.each([
    ['claude-cli/2.0.1 (external, cli)', 200],
    ['claude-code/1.0', 200],
    ['KimiCLI/1.44', 200],
    ['kimi-code-cli/0.29.1', 200],
    ['kimi-cli/1.0', 403],
    ['codex-cli/0.1', 403],
    ['OpenAI/JS 4.0', 403],
  ])('answers User-Agent %s with %i on the OpenAI chat when the gate is on', async (userAgent, status) => {
    const simulator = await openSimulator({ enforceUserAgent: true });
    const headers = { 'user-agent': userAgent };
    expect((await chat(simulator, {}, { headers })).status).toBe(status);
    expect((await post(simulator, '/messages', {}, { headers })).status).toBe(200);
    expect((await get(simulator, '/models', headers)).status).toBe(200);
  });

  it('lets every client in when the gate is off', async () => {
    const simulator = await openSimulator();
    expect((await chat(simulator, {}, { headers: { 'user-agent': 'curl/8' } })).status).toBe(200);
  });

  it('tells a model outside the plan from one that does not exist', async () => {
    const simulator = await openSimulator({
      accounts: [{ name: 'a', keys: ['k'], models: ['kimi-for-coding'], behaviour: { enforceModels: true } }],
    });
    const ask = (model: string) => chat(simulator, { model }, { key: 'k' });
    expect((await ask('kimi-for-coding')).status).toBe(200);
    const outside = await ask('k3');
    expect(outside.status).toBe(401);
    expect((await json(outside)).error.message).toContain('current subscription does not have access to k3');
    const unknown = await ask('gpt-9');
    expect(unknown.status).toBe(404);
    expect((await json(unknown)).error.message).toBe('Not found the model gpt-9 or Permission denied');
  });
});
