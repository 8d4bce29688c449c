import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { SETTINGS } from '../../src/config/settings.ts';

const rows = Object.entries(SETTINGS);

it.each(rows)('%s has a variable, a line of help and words for what it accepts', (name, { variable, help, accepts }) => {
  // proxyMaxRps <-> KMI_PROXY_MAX_RPS
  const words = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  expect(variable).toBe(`KMI_${words}`.replace('_E2_E', '_E2E'));
  expect(help).toMatch(/^\S.*[^\s.]$/);
  expect(accepts).not.toBe('');
});

it.each(rows)('%s accepts its own default', (_name, row) => {
  expect(() => row.parse(row.defaultText)).not.toThrow();
});

it('no two settings share a variable', () => {
  const variables = rows.map(([, { variable }]) => variable);
  expect(new Set(variables).size).toBe(variables.length);
});

it('only the token, the proxy, which may hold a password, and the webhook are secrets', () => {
  expect(rows.filter(([, { secret }]) => secret).map(([name]) => name)).toEqual(['upstreamProxy', 'proxyToken', 'notify']);
});

it('the defaults are those of the reference', () => {
  const { config } = loadConfig({}, '/nowhere');
  expect(config).toMatchObject({
    upstreamBaseUrl: 'https://api.kimi.com/coding/v1',
    upstreamAllowlist: [],
    proxyListen: { host: '127.0.0.1', port: 54123 },
    proxyBasePath: '/kmi-rotor/v1',
    proxyAllowRemote: false,
    proxyRequireTls: true,
    proxyMaxRps: 0,
    proxyFailoverMax: 3,
    proxyConnectTimeoutSeconds: 10,
    proxyFirstByteTimeoutSeconds: 600,
    proxyIdleTimeoutSeconds: 300,
    proxyMaxBodyMb: 128,
    proxyReplayMaxMb: 16,
    proxyRetryBaseMs: 250,
    dryRun: true,
    autoRotateAllowed: false,
    autoRotateE2e: true,
    rotationCooldownSeconds: 300,
    rotateStrategy: 'round-robin',
    paymentBlockSeconds: 3600,
    usageCacheSeconds: 600,
    blocklistRecheckSeconds: 3600,
    blocklistRecheckMax: 3,
    traceMaxMb: 5,
    logBackups: 3,
    timezone: 'local',
    locale: 'en',
    enforceFilePerms: true,
  });
});
