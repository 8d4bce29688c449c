import { describe, expect, test } from 'vitest';
import type { KimiClient } from '../../src/core/clients/kimi-model.ts';
import { type ClientConfigFact, type ClientFacts, checkClients } from '../../src/doctor/checks-clients.ts';

const URL = 'http://127.0.0.1:54123/kmi-rotor/v1';
const MISSING = { 'kimi-cli': { is: 'missing' }, 'kimi-code': { is: 'missing' } } as const;
const read = (baseUrl: string, more: Partial<Extract<ClientConfigFact, { is: 'read' }>> = {}): ClientConfigFact => ({
  is: 'read',
  baseUrl,
  isKimi: true,
  sendsToken: true,
  ...more,
});

type Case = {
  readonly client: KimiClient;
  readonly environment?: Record<string, string>;
  readonly config?: ClientConfigFact;
  readonly token?: string;
};

function findingsOf({ client, environment = {}, config, token = '' }: Case) {
  const facts: ClientFacts = {
    found: { path: '/bin/kimi', client },
    configs: config === undefined ? MISSING : { ...MISSING, [client]: config },
    environment,
    url: URL,
    token,
  };
  return checkClients(facts);
}

function route(facts: Case): string {
  const [finding] = findingsOf(facts).filter(({ check }) => check === 'kimi_client');
  return `${finding?.level}: ${finding?.text}`;
}

describe('kimi-cli', () => {
  test.each<[string, Omit<Case, 'client'>, RegExp]>([
    ['goes its own way when nothing is set', {}, /^info: .* directly/],
    ['follows KIMI_BASE_URL', { environment: { KIMI_BASE_URL: URL } }, /^ok: .*by KIMI_BASE_URL/],
    [
      'takes localhost and a slash for the same',
      { environment: { KIMI_BASE_URL: 'http://localhost:54123/kmi-rotor/v1/' } },
      /^ok/,
    ],
    [
      'is told apart when it goes elsewhere',
      { environment: { KIMI_BASE_URL: 'https://api.kimi.com/v1' } },
      /^info: .*api\.kimi\.com, by KIMI_BASE_URL/,
    ],
    [
      'ignores what is for Kimi Code',
      { environment: { KIMI_MODEL_BASE_URL: URL, KIMI_MODEL_NAME: 'x', KIMI_MODEL_API_KEY: 'y' } },
      /^info: .* directly/,
    ],
    ['follows its config', { config: read(URL) }, /^ok: .*by its config/],
    [
      'follows its config elsewhere',
      { config: read('https://api.kimi.com/coding/v1') },
      /^info: .*api\.kimi\.com, by its config/,
    ],
    ['puts the variable before its config', { config: read(URL), environment: { KIMI_BASE_URL: 'nonsense' } }, /^info: .*no URL/],
    ['has a config that cannot be read', { config: { is: 'unusable', problem: 'It is not TOML.' } }, /^warn: .*It is not TOML\./],
    [
      'sends another key than the token',
      { environment: { KIMI_BASE_URL: URL, KIMI_API_KEY: 'sk-own' }, token: 't' },
      /^warn: .*another key/,
    ],
    ['sends the token', { environment: { KIMI_BASE_URL: URL, KIMI_API_KEY: 't' }, token: 't' }, /^ok/],
    [
      'has another key than the token in its config',
      { config: read(URL, { sendsToken: false }), token: 't' },
      /^warn: .*another key/,
    ],
  ])('%s', (_, facts, words) => {
    expect(route({ client: 'kimi-cli', ...facts })).toMatch(words);
  });
});

describe('Kimi Code', () => {
  const complete = { KIMI_MODEL_NAME: 'k3', KIMI_MODEL_API_KEY: 'x' };
  test.each<[string, Omit<Case, 'client'>, RegExp]>([
    ['goes its own way when nothing is set', {}, /^info: .* directly/],
    [
      'follows KIMI_MODEL_BASE_URL with name and key',
      { environment: { ...complete, KIMI_MODEL_BASE_URL: URL } },
      /^ok: .*by KIMI_MODEL_BASE_URL/,
    ],
    [
      'ignores it without name and key',
      { environment: { KIMI_MODEL_BASE_URL: URL } },
      /^warn: .*unless KIMI_MODEL_NAME and KIMI_MODEL_API_KEY are set/,
    ],
    [
      'ignores it without the key',
      { environment: { KIMI_MODEL_BASE_URL: URL, KIMI_MODEL_NAME: 'x' } },
      /^warn: .*unless KIMI_MODEL_API_KEY is set/,
    ],
    ['goes its own way with name and key alone', { environment: complete, config: read(URL) }, /^info: .* directly/],
    ['ignores KIMI_BASE_URL', { environment: { KIMI_BASE_URL: URL } }, /^warn: .*ignores KIMI_BASE_URL/],
    [
      'may be led by its config, whatever KIMI_BASE_URL says',
      { environment: { KIMI_BASE_URL: URL }, config: read(URL) },
      /^ok: .*by its config/,
    ],
    ['follows KIMI_CODE_BASE_URL', { environment: { KIMI_CODE_BASE_URL: URL } }, /^ok: .*by KIMI_CODE_BASE_URL/],
  ])('%s', (_, facts, words) => {
    expect(route({ client: 'kimi-code', ...facts })).toMatch(words);
  });

  test.each<[string, Omit<Case, 'client'>, boolean]>([
    ['by its variable', { environment: { KIMI_MODEL_PROVIDER_TYPE: 'openai' } }, true],
    ['by its config', { config: read(URL, { isKimi: false }) }, true],
    [
      'not when the variable puts it right',
      { environment: { KIMI_MODEL_PROVIDER_TYPE: 'kimi' }, config: read(URL, { isKimi: false }) },
      false,
    ],
    ['not for a provider that does not lead here', { config: read('https://example.com', { isKimi: false }) }, false],
  ])('another provider type than kimi is warned of: %s', (_, facts, isWarned) => {
    const findings = findingsOf({ client: 'kimi-code', ...facts });
    expect(findings.some(({ check, level }) => check === 'client_identity' && level === 'warn')).toBe(isWarned);
  });
});

test.each<[string, KimiClient, Record<string, string>, boolean]>([
  ['HTTP_PROXY without NO_PROXY', 'kimi-cli', { HTTP_PROXY: 'http://p:1' }, true],
  ['all_proxy with another exception', 'kimi-cli', { all_proxy: 'http://p:1', no_proxy: 'example.com' }, true],
  ['NO_PROXY that names the host', 'kimi-cli', { HTTP_PROXY: 'http://p:1', NO_PROXY: 'localhost, 127.0.0.1' }, false],
  ['NO_PROXY for all', 'kimi-cli', { HTTP_PROXY: 'http://p:1', NO_PROXY: '*' }, false],
  ['no proxy at all', 'kimi-cli', {}, false],
  ['Kimi Code, which always goes direct', 'kimi-code', { HTTP_PROXY: 'http://p:1' }, false],
])('loopback calls sent to an outgoing proxy: %s', (_, client, environment, isWarned) => {
  expect(findingsOf({ client, environment }).some(({ check }) => check === 'loopback_direct')).toBe(isWarned);
});

test('no client, and one that does not tell which it is, are information; who passes the upstream is always told', () => {
  const facts: ClientFacts = { found: null, configs: MISSING, environment: {}, url: URL, token: '' };
  expect(checkClients(facts)).toMatchObject([{ level: 'info', text: expect.stringContaining('no `kimi`') }, { level: 'info' }]);
  const unknown = checkClients({ ...facts, found: { path: '/bin/kimi', client: null } });
  expect(unknown[0]).toMatchObject({ level: 'info', text: expect.stringContaining('does not tell') });
  expect(unknown.at(-1)?.details.join(' ')).toMatch(/pass: .*Claude Code.*no such list: Codex.*403: OpenAI SDKs/);
});
