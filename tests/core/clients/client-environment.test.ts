import { describe, expect, it } from 'vitest';
import {
  type Changes,
  changeEnvironment,
  kimiVariables,
  programVariables,
  type Variables,
} from '../../../src/core/clients/client-environment.ts';
import { describeBypass, type ModelQuestion, pickModel } from '../../../src/core/clients/kimi-model.ts';

const ACCESS = { url: 'http://127.0.0.1:54123/kmi-rotor/v1', token: '' };

const valuesOf = (changes: Changes) => Object.fromEntries(changes);
const noProxy = (environment: Variables, url = ACCESS.url) =>
  valuesOf(kimiVariables({ url, token: '' }, null, environment)).NO_PROXY;

describe('the variables', () => {
  it.each([
    ['http://127.0.0.1:54123/kmi-rotor/v1', 'http://127.0.0.1:54123/kmi-rotor'],
    ['http://127.0.0.1:54123/kmi', 'http://127.0.0.1:54123/kmi'],
  ])('Anthropic clients of %s are given %s', (url, expected) => {
    expect(programVariables({ url, token: '' }, null, {}).get('ANTHROPIC_BASE_URL')).toBe(expected);
  });

  it.each<[Variables, string]>([
    [{}, '127.0.0.1,localhost'],
    [{ NO_PROXY: 'a.example , localhost' }, 'a.example,localhost,127.0.0.1'],
    [{ no_proxy: '.corp' }, '.corp,127.0.0.1,localhost'],
    [{ NO_PROXY: '*' }, '*'],
  ])('with %o, NO_PROXY becomes %s', (environment, expected) => {
    expect(noProxy(environment)).toBe(expected);
  });

  it('the host of a proxy elsewhere is called directly, too', () => {
    expect(noProxy({}, 'https://rotor.lan:54123/kmi-rotor/v1')).toBe('127.0.0.1,localhost,rotor.lan');
    expect(noProxy({}, 'http://[::1]:54123/kmi-rotor/v1')).toBe('127.0.0.1,localhost,::1');
  });

  it('what the user said of the model is kept', () => {
    const model = { name: 'k3', maxContextSize: 1_048_576, capabilities: ['thinking'] };
    const changes = valuesOf(kimiVariables(ACCESS, model, { KIMI_MODEL_MAX_CONTEXT_SIZE: '9', KIMI_MODEL_CAPABILITIES: ' ' }));
    expect(changes).toMatchObject({ KIMI_MODEL_NAME: 'k3', KIMI_MODEL_CAPABILITIES: 'thinking' });
    expect(changes).not.toHaveProperty('KIMI_MODEL_MAX_CONTEXT_SIZE');
  });

  it('OpenCode is given a config in a variable, unless it has one', () => {
    const config = programVariables(ACCESS, null, {}).get('OPENCODE_CONFIG_CONTENT');
    // Its Anthropic package adds /messages only, and an id of its own list may be gone tomorrow.
    expect(JSON.parse(config ?? '')).toEqual({
      provider: {
        kmi: {
          npm: '@ai-sdk/anthropic',
          name: 'kmi',
          options: { baseURL: ACCESS.url, apiKey: 'kmi' },
          models: { 'kimi-for-coding': { name: 'kimi-for-coding', limit: { context: 262_144, output: 32_768 } } },
        },
      },
      model: 'kmi/kimi-for-coding',
      small_model: 'kmi/kimi-for-coding',
    });
    expect(programVariables(ACCESS, null, { OPENCODE_CONFIG_CONTENT: '{}' }).has('OPENCODE_CONFIG_CONTENT')).toBe(false);
  });

  it('changing an environment leaves the given one as it is', () => {
    const before = { A: '1', B: '2' };
    const after = changeEnvironment(
      before,
      new Map([
        ['A', null],
        ['C', '3'],
      ]),
    );
    expect([before, after]).toEqual([
      { A: '1', B: '2' },
      { B: '2', C: '3' },
    ]);
  });
});

const QUESTION: ModelQuestion = { client: null, args: [], environment: {}, configured: null };
const K3 = { name: 'k3', maxContextSize: 1_048_576, capabilities: ['thinking'], isKimi: true };

describe('the model named', () => {
  it.each<[string, Partial<ModelQuestion>, string | undefined]>([
    ['Kimi Code without a config', { client: 'kimi-code' }, 'kimi-for-coding'],
    ['Kimi Code with a default model', { client: 'kimi-code', configured: K3 }, 'k3'],
    [
      "Kimi Code with another company's default model",
      { client: 'kimi-code', configured: { ...K3, isKimi: false } },
      'kimi-for-coding',
    ],
    ['either of the two', { configured: K3 }, 'k3'],
    ['kimi-cli without a config', { client: 'kimi-cli' }, 'kimi-for-coding'],
    ['kimi-cli with a default model', { client: 'kimi-cli', configured: K3 }, undefined],
    ['kimi-cli with -m', { client: 'kimi-cli', args: ['-m', 'x'] }, undefined],
    ['kimi-cli with a config of its own', { client: 'kimi-cli', args: ['--config-file=x'] }, undefined],
    ['a user who named one', { client: 'kimi-code', environment: { KIMI_MODEL_NAME: 'k3-256k' } }, undefined],
    ['a user who emptied the name', { client: 'kimi-code', environment: { KIMI_MODEL_NAME: ' ' } }, 'kimi-for-coding'],
  ])('for %s', (_, question, expected) => {
    expect(pickModel({ ...QUESTION, ...question })?.name).toBe(expected);
  });

  it.each<[string, Partial<ModelQuestion>, string]>([
    ['Kimi Code with -m', { client: 'kimi-code', args: ['-p', 'x', '-m', 'x'] }, 'KIMI_MODEL_NAME'],
    ['Kimi Code with --model=', { client: 'kimi-code', args: ['--model=x'] }, 'KIMI_MODEL_NAME'],
    ['Kimi Code with --continue', { client: 'kimi-code', args: ['-c'] }, '-m __kimi_env_model__'],
    ['Kimi Code with a session', { client: 'kimi-code', args: ['--session=1'] }, '-m __kimi_env_model__'],
    ["kimi-cli with another company's default model", { client: 'kimi-cli', configured: { ...K3, isKimi: false } }, '-m'],
  ])('%s may go around the proxy, and is told what to do', (_, question, advice) => {
    expect(describeBypass({ ...QUESTION, ...question })).toContain(advice);
  });

  it.each<[string, Partial<ModelQuestion>]>([
    ['Kimi Code with a prompt', { client: 'kimi-code', args: ['-p', 'x'] }],
    ['Kimi Code that moves a session', { client: 'kimi-code', args: ['-c', '-m', '__kimi_env_model__'] }],
    ['kimi-cli with -m', { client: 'kimi-cli', args: ['-m', 'x'], configured: { ...K3, isKimi: false } }],
    ['kimi-cli with a Kimi model', { client: 'kimi-cli', args: ['-C'], configured: K3 }],
    ['a client not known', { args: ['-m', 'x'] }],
  ])('%s goes through it', (_, question) => {
    expect(describeBypass({ ...QUESTION, ...question })).toBeNull();
  });
});
