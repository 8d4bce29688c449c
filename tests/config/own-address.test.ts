import { hostname, networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Listen } from '../../src/config/kinds.ts';
import { isOwnAddress } from '../../src/config/own-address.ts';

const LOOPBACK = { host: '127.0.0.1', port: 54123 };
const ANY = { host: '0.0.0.0', port: 54123 };
const outside = Object.values(networkInterfaces())
  .flatMap((one) => one ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

describe('the address of the proxy itself', () => {
  it.each<[string, Listen]>([
    ['http://127.0.0.1:54123/kmi-rotor/v1', LOOPBACK],
    ['http://localhost:54123', LOOPBACK],
    ['http://LOCALHOST:54123/other/path', LOOPBACK],
    ['http://localhost.:54123', LOOPBACK],
    ['http://[::1]:54123/v1', LOOPBACK],
    ['http://[::ffff:127.0.0.1]:54123', LOOPBACK],
    ['http://0.0.0.0:54123', LOOPBACK],
    ['http://127.1:54123', LOOPBACK],
    ['http://2130706433:54123', LOOPBACK],
    ['https://127.0.0.1', { host: '127.0.0.1', port: 443 }],
    ['http://127.0.0.1', { host: 'localhost', port: 80 }],
    ['http://127.3.2.1:54123', ANY],
    ['http://[::1]:54123', { host: '::', port: 54123 }],
    [`https://${hostname()}:54123`, ANY],
    [`https://${hostname().toUpperCase()}:54123`, { host: '::', port: 54123 }],
    ['https://kmi.lan:54123', { host: 'kmi.lan', port: 54123 }],
    ...(outside === undefined ? [] : [[`https://${outside}:54123`, ANY] as [string, Listen]]),
  ])('%s for %j', (url, listen) => expect(isOwnAddress(url, listen)).toBe(true));

  it.each([
    ['http://127.0.0.1:54124', LOOPBACK],
    ['http://127.0.0.1', LOOPBACK],
    ['http://127.0.0.2:54123', LOOPBACK],
    ['https://api.kimi.com:54123', ANY],
    [`https://${hostname()}:54123`, LOOPBACK],
    ['http://127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['no url', LOOPBACK],
  ])('is not %s for %j', (url, listen) => expect(isOwnAddress(url, listen)).toBe(false));
});
