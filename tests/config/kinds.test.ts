import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BadValue,
  basePath,
  choice,
  expandPath,
  hostList,
  integer,
  isAllowedHost,
  isLoopbackHost,
  isTrue,
  listen,
  originList,
  parseBaseUrl,
  proxyUrl,
  type Setting,
  text,
  timezone,
} from '../../src/config/kinds.ts';

const BAD = Symbol('bad');

function parse<Value>(setting: Setting<Value>, value: string): Value | typeof BAD {
  try {
    return setting.parse(value);
  } catch (error) {
    if (error instanceof BadValue) return BAD;
    throw error;
  }
}

describe('booleans', () => {
  it.each(['1', 'true', 'YES', ' On '])('reads %j as true', (value) => expect(isTrue(value)).toBe(true));
  it.each(['0', 'false', 'no', 'off', '', '2', 'yes!'])('reads %j as false', (value) => expect(isTrue(value)).toBe(false));
});

describe('whole numbers', () => {
  const setting = integer('KMI_X', 5, 'help', { min: 1, max: 10 });
  it.each([
    ['1', 1],
    [' 10 ', 10],
    ['+7', 7],
    ['007', 7],
    ['0', BAD],
    ['11', BAD],
    ['-1', BAD],
    ['1.5', BAD],
    ['1e1', BAD],
    ['0x5', BAD],
    ['ten', BAD],
    ['9'.repeat(400), BAD],
  ])('%j', (value, expected) => expect(parse(setting, value)).toBe(expected));

  it('every accepted text gives a whole number inside the range', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (value) => {
        const number = parse(setting, value);
        expect(number === BAD || (Number.isInteger(number) && number >= 1 && number <= 10)).toBe(true);
      }),
    );
  });
});

describe('host and port', () => {
  it.each([
    ['127.0.0.1:54123', { host: '127.0.0.1', port: 54123 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    [' localhost:65535 ', { host: 'localhost', port: 65535 }],
    ['localhost', BAD],
    [':80', BAD],
    ['localhost:65536', BAD],
    ['localhost:-1', BAD],
    ['::1:80', BAD],
    ['http://localhost:80', BAD],
    ['[]:80', BAD],
  ])('%j', (value, expected) => expect(parse(listen('KMI_X', '', ''), value)).toEqual(expected));
});

describe('base path', () => {
  it.each([
    ['/kmi-rotor/v1', '/kmi-rotor/v1'],
    ['/v1///', '/v1'],
    [' /a.b/~c_d ', '/a.b/~c_d'],
    ['v1', BAD],
    ['/', BAD],
    ['/a//b', BAD],
    ['/a/../b', BAD],
    ['/./a', BAD],
    ['/a%2fb', BAD],
    ['/a b', BAD],
    ['/a?b', BAD],
    ['/healthz', BAD],
    ['/healthz/v1', BAD],
  ])('%j', (value, expected) => expect(parse(basePath('KMI_X', '', ''), value)).toBe(expected));
});

describe('upstream URL', () => {
  it.each([
    ['https://api.kimi.com/coding/v1', 'https://api.kimi.com/coding/v1'],
    [' https://API.kimi.com/v1// ', 'https://api.kimi.com/v1'],
    ['https://api.kimi.com', 'https://api.kimi.com'],
    ['http://127.0.0.1:8080/v1', 'http://127.0.0.1:8080/v1'],
    ['http://127.9.9.9/', 'http://127.9.9.9'],
    ['http://[::1]:9/x', 'http://[::1]:9/x'],
    ['http://localhost:9', 'http://localhost:9'],
    ['http://api.kimi.com/v1', null],
    ['http://localhost.evil.example/', null],
    ['http://127.0.0.1.evil.example/', null],
    ['https://user@api.kimi.com/', null],
    ['https://:secret@api.kimi.com/', null],
    ['https://api.kimi.com/?x=1', null],
    ['https://api.kimi.com/#x', null],
    ['ftp://api.kimi.com/', null],
    ['api.kimi.com', null],
    ['', null],
  ])('%j', (value, expected) => expect(parseBaseUrl(value)).toBe(expected));
});

describe('loopback hosts', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.3', '::1', '[::1]'])('%s is one', (host) => {
    expect(isLoopbackHost(host)).toBe(true);
  });
  it.each(['0.0.0.0', '128.0.0.1', '127.0.0.1.evil.example', 'localhost.evil.example', '::', ''])('%j is none', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });
});

describe('host lists', () => {
  it.each([
    ['', []],
    [' a.example , *.B.example ,', ['a.example', '*.b.example']],
    ['[::1],10.0.0.1', ['::1', '10.0.0.1']],
    ['https://a.example', BAD],
    ['a.example/path', BAD],
    ['a.*.example', BAD],
    ['good.example, bad host', BAD],
  ])('%j', (value, expected) => expect(parse(hostList('KMI_X', ''), value)).toEqual(expected));

  it.each([
    ['https://any.example/', [], true],
    ['https://a.example/v1', ['a.example'], true],
    ['https://b.example/', ['a.example'], false],
    ['https://x.a.example/', ['a.example'], false],
    ['https://x.a.example/', ['*.a.example'], true],
    ['https://a.example/', ['*.a.example'], false],
    ['https://evila.example/', ['*.a.example'], false],
  ])('%s with the list %j', (url, list, expected) => expect(isAllowedHost(url, list)).toBe(expected));
});

describe('origin lists', () => {
  it.each([
    ['', []],
    ['https://app.example, http://localhost:3000', ['https://app.example', 'http://localhost:3000']],
    ['https://app.example/', ['https://app.example']],
    ['https://app.example/path', BAD],
    ['app.example', BAD],
    ['null', BAD],
    ['file:///x', BAD],
  ])('%j', (value, expected) => expect(parse(originList('KMI_X', ''), value)).toEqual(expected));
});

describe('proxy URL', () => {
  it.each([
    ['', ''],
    ['http://proxy:3128', 'http://proxy:3128'],
    [' socks5://me:pass@127.0.0.1:1080 ', 'socks5://me:pass@127.0.0.1:1080'],
    ['https://proxy', 'https://proxy'],
    ['proxy:3128', 'proxy:3128'],
    [' "HTTP://proxy:3128/" ', '"HTTP://proxy:3128/"'],
    ['socks4://proxy:1', BAD],
    ['a:1,b:2', BAD],
    ['ftp://proxy', BAD],
    ['socks5://', BAD],
  ])('%j', (value, expected) => expect(parse(proxyUrl('KMI_X', ''), value)).toBe(expected));
});

describe('time zone', () => {
  it.each([
    ['LOCAL', 'local'],
    ['utc', 'UTC'],
    ['Z', 'UTC'],
    ['+03:00', '+03:00'],
    ['-0930', '-09:30'],
    ['europe/berlin', 'Europe/Berlin'],
    ['+15:00', BAD],
    ['+03:60', BAD],
    ['Mars/Olympus', BAD],
    ['', BAD],
  ])('%j', (value, expected) => expect(parse(timezone('KMI_X', '', ''), value)).toBe(expected));
});

it('a choice accepts its words in any case and nothing else', () => {
  const setting = choice('KMI_X', ['en', 'ru'], '');
  expect([setting.defaultText, parse(setting, ' RU '), parse(setting, 'de')]).toEqual(['en', 'ru', BAD]);
  expect(setting.accepts).toBe('one of en, ru');
});

it('text is trimmed', () => expect(parse(text('KMI_X', ''), '  a b ')).toBe('a b'));

it('paths become absolute, with ~ for the home folder', () => {
  expect(expandPath('')).toBe('');
  expect(expandPath('~')).toBe(homedir());
  expect(expandPath('~/.kmi')).toBe(join(homedir(), '.kmi'));
  expect(expandPath('~other/x')).toBe(resolve('~other/x'));
  expect(expandPath('/a/../b')).toBe(resolve('/b'));
  expect(expandPath('state')).toBe(resolve('state'));
});
