import { describe, expect, it } from 'vitest';
import { get, json, KEY, openSimulator, post } from './client.ts';

describe('the other endpoints', () => {
  it('GET /me tells the account', async () => {
    const simulator = await openSimulator({
      accounts: [{ name: 'a', keys: [KEY], userId: 'u1', email: 'a@b.test', nickname: 'Ann', plan: 'LEVEL_BASIC' }],
    });
    expect(await json(await get(simulator, '/me'))).toEqual({
      user_id: 'u1',
      nickname: 'Ann',
      email: 'a@b.test',
      user_level_name: 'LEVEL_BASIC',
      region: 'REGION_CN',
    });
  });

  it('GET /models lists the models of the account with the fields clients read', async () => {
    const simulator = await openSimulator();
    const all = await json(await get(simulator, '/models'));
    expect(all.object).toBe('list');
    expect(all.data.map(({ id }: { id: string }) => id)).toEqual([
      'k3',
      'k3-256k',
      'kimi-for-coding',
      'kimi-for-coding-highspeed',
    ]);
    expect(all.data[0]).toMatchObject({
      object: 'model',
      display_name: 'Kimi K3',
      context_length: 1_048_576,
      supports_reasoning: true,
      supports_image_in: true,
      supports_video_in: true,
      supports_tool_use: true,
      supports_dynamic_tools: true,
      supports_thinking_type: 'only',
      think_efforts: { support: true, valid_efforts: ['low', 'high', 'max'], default_effort: 'max' },
    });
    expect(all.data[2]).toMatchObject({ context_length: 1_048_576, supports_thinking_type: 'both' });
    expect(all.data[0]).not.toHaveProperty('protocol');
    simulator.account('a').models = ['kimi-for-coding', 'own-model'];
    const some = await json(await get(simulator, '/models'));
    expect(some.data.map(({ id }: { id: string }) => id)).toEqual(['kimi-for-coding', 'own-model']);
    simulator.account('a').behave({ modelProtocol: 'response' });
    const told = await json(await get(simulator, '/models'));
    expect(told.data.map(({ protocol }: { protocol: string }) => protocol)).toEqual(['response', 'response']);
  });

  it('POST /files takes a multipart upload and names the file after its account', async () => {
    const simulator = await openSimulator();
    const form = new FormData();
    form.set('purpose', 'video');
    form.set('file', new Blob(['moving pictures']), 'film.mp4');
    const upload = () =>
      fetch(`${simulator.baseUrl}/files`, { method: 'POST', headers: { authorization: `Bearer ${KEY}` }, body: form });
    expect(await json(await upload())).toMatchObject({ id: 'file-a-1', object: 'file', filename: 'film.mp4', purpose: 'video' });
    expect((await json(await upload())).id).toBe('file-a-2');
  });

  it('POST /search and /fetch answer what was asked', async () => {
    const simulator = await openSimulator();
    const found = await json(await post(simulator, '/search', { text_query: 'weather' }));
    expect(found.search_results[0]).toMatchObject({ title: 'About weather' });
    const request = { url: 'https://example.test/x' };
    const page = await post(simulator, '/fetch', request, { headers: { accept: 'text/markdown' } });
    expect(page.headers.get('content-type')).toBe('text/markdown; charset=utf-8');
    expect(await page.text()).toContain('fetched https://example.test/x');
    expect(await json(await post(simulator, '/fetch', request))).toMatchObject(request);
  });

  it('POST /client_configs and /resource_configs give the named config; only the latter without a key', async () => {
    const simulator = await openSimulator();
    const ask = (path: string, headers = {}) =>
      fetch(simulator.baseUrl + path, { method: 'POST', headers, body: JSON.stringify({ name: 'survey_popup' }) });
    const known = { authorization: `Bearer ${KEY}` };
    for (const response of [
      await ask('/client_configs', known),
      await ask('/resource_configs', known),
      await ask('/resource_configs'),
    ]) {
      expect(response.status).toBe(200);
      expect(await json(response)).toEqual({ name: 'survey_popup', config: {} });
    }
    expect((await ask('/client_configs')).status).toBe(401);
  });

  it('knows no other path or method, and nothing outside the base path', async () => {
    const simulator = await openSimulator();
    for (const path of ['/usage', '/models/', '/chat/completions']) {
      const response = await get(simulator, path);
      expect([path, response.status]).toEqual([path, 404]);
      expect((await json(response)).error.message).toBe('method not found');
    }
    const outside = await fetch(`${simulator.origin}/models`, { headers: { authorization: `Bearer ${KEY}` } });
    expect(outside.status).toBe(404);
    await outside.text();
  });

  it('serves below another base path when told', async () => {
    const simulator = await openSimulator({ basePath: '/v9' });
    expect(simulator.baseUrl).toBe(`http://127.0.0.1:${simulator.port}/v9`);
    expect((await get(simulator, '/me')).status).toBe(200);
  });
});
