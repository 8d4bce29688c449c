import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandPath } from '../../src/config/expand-path.ts';
import {
  BadValue,
  basePath,
  boolean,
  choice,
  hostList,
  integer,
  isAllowedHost,
  isLoopbackHost,
  listen,
  originList,
  parseBaseUrl,
  proxyUrl,
  type Setting,
  text,
  timezone,
  upstreamUrl,
  whyNoBaseUrl,
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
  const setting = boolean('KMI_X', true, 'help');
  it.each(['1', 'true', 'YES', ' On ', 'y', 'Y'])('reads %j as true', (value) => expect(parse(setting, value)).toBe(true));
  it.each(['0', 'false', 'No', 'OFF', 'n'])('reads %j as false', (value) => expect(parse(setting, value)).toBe(false));
  it.each(['ture', 'maybe', 'ja', '2', 'yes!', '00', '0;', "'0", '-1', 'enabled', 'null', '\uFF10', ''])(
    'refuses %j, whichever side is the safe one',
    (value) => expect(parse(setting, value)).toBe(BAD),
  );
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
    [' https://API.gateway.example/v1// ', 'https://api.gateway.example/v1'],
    ['https://gateway.example', 'https://gateway.example'],
    ['http://127.0.0.1:8080/v1', 'http://127.0.0.1:8080/v1'],
    ['http://127.9.9.9/', 'http://127.9.9.9'],
    ['http://[::1]:9/x', 'http://[::1]:9/x'],
    ['http://localhost:9', 'http://localhost:9'],
    ['http://gateway.example/v1', null],
    ['http://api.kimi.com:8080/v1', null],
    ['http://localhost.evil.example/', null],
    ['http://127.0.0.1.evil.example/', null],
    ['https://user@api.kimi.com/', null],
    ['https://:secret@api.kimi.com/', null],
    ['https://api.kimi.com/?x=1', null],
    ['https://api.kimi.com/#x', null],
    ['ftp://api.kimi.com/', null],
    ['//api.kimi.com/v1', null],
    ['javascript:alert(1)', null],
    ['kimi', null],
    ['/coding/v1', null],
    ['', null],
  ])('%j', (value, expected) => expect(parseBaseUrl(value)).toBe(expected));
});

describe('a base URL with a slip that can mean one thing only', () => {
  const CODING = 'https://api.kimi.com/coding/v1';
  it.each([
    ...[
      'https://api.kimi.com/coding/',
      'https://api.kimi.com/coding',
      'https://api.kimi.com/coding/v1/',
      'https://api.kimi.com/coding/v1/v1',
      'https://api.kimi.com//coding//v1',
      'https://api.kimi.com/coding/v1/chat/completions',
      'https://api.kimi.com/coding/chat/completions',
      'https://api.kimi.com/coding/v1/messages',
      'https://api.kimi.com/coding/messages/',
      'https://api.kimi.com/coding/v1/responses',
      'https://api.kimi.com/v1',
      'https://api.kimi.com',
      'http://api.kimi.com/coding/v1',
      'api.kimi.com/coding/v1',
      'api.kimi.com',
      'API.KIMI.COM:443/coding',
      'https://api.kimi.com/coding/v1/responses/compact',
      '"https://api.kimi.com/coding/v1"',
      "'https://api.kimi.com/coding/v1',",
      '`api.kimi.com/coding`',
      '<https://api.kimi.com/coding/v1>',
      '"<https://api.kimi.com/coding/v1/>" ; ',
      'https://api.kimi.com/coding/v1,',
      'https://api.kimi.com/coding/v1;',
      '“https://api.kimi.com/coding/v1”',
    ].map((slip) => [slip, CODING]),
    ['https://api.kimi.ai/coding/', 'https://api.kimi.ai/coding/v1'],
    ['https://api.moonshot.ai/anthropic', 'https://api.moonshot.ai/v1'],
    ['https://api.moonshot.ai/anthropic/v1/messages', 'https://api.moonshot.ai/v1'],
    ['api.moonshot.cn', 'https://api.moonshot.cn/v1'],
    ['https://api.moonshot.cn/v1/chat/completions', 'https://api.moonshot.cn/v1'],
    ['http://127.0.0.1:9/coding/', 'http://127.0.0.1:9/coding/v1'],
    ['localhost:9/coding', 'http://localhost:9/coding/v1'],
    ['[::1]:9/v1', 'http://[::1]:9/v1'],
    ['gateway.example/kimi/coding', 'https://gateway.example/kimi/coding/v1'],
    ['https://gateway.example/v1/v1/messages', 'https://gateway.example/v1'],
    // What another host means is its own business.
    ['https://gateway.example/anthropic', 'https://gateway.example/anthropic'],
    ['https://gateway.example/messages', 'https://gateway.example/messages'],
  ] as [string, string][])('%s', (value, expected) => {
    expect(parseBaseUrl(value)).toBe(expected);
    expect(parseBaseUrl(expected)).toBe(expected);
  });
});

describe('a web site of Kimi is no base URL', () => {
  const CODING = 'https://api.kimi.com/coding/v1';
  it.each([
    ['https://platform.moonshot.ai', 'https://api.moonshot.ai/v1'],
    ['https://platform.moonshot.cn/console/api-keys', 'https://api.moonshot.cn/v1'],
    ['platform.kimi.ai/v1', 'https://api.moonshot.ai/v1'],
    ['http://platform.kimi.com', 'https://api.moonshot.cn/v1'],
    ['https://www.kimi.com/coding/v1', CODING],
    ['https://kimi.com', CODING],
    ['<WWW.Kimi.com/code/console>', CODING],
  ])('%s: that is %s', (value, api) => {
    expect(parse(upstreamUrl('KMI_X', CODING, ''), value)).toBe(BAD);
    expect(whyNoBaseUrl(value)).toBe(`is a web site, not the API; the base URL is ${api}`);
    expect([parseBaseUrl(value), parseBaseUrl(api)]).toEqual([null, api]);
  });

  it.each([CODING, 'https://gateway.example', 'https://www.kimi.com.gateway.example/v1', 'nonsense', '<>', '",;"'])(
    '%s is none of them',
    (value) => expect(whyNoBaseUrl(value)).toBe(null),
  );
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
    ['HTTPS://App.Example:443, http://LOCALHOST:3000/', ['https://app.example', 'http://localhost:3000']],
    ['https://müller.example', ['https://xn--mller-kva.example']],
    ['app://obsidian.md', ['app://obsidian.md']],
    ['capacitor://localhost/, ionic://localhost', ['capacitor://localhost', 'ionic://localhost']],
    ['tauri://localhost,app://-', ['tauri://localhost', 'app://-']],
    ['chrome-extension://abcdefghijklmnopabcdefghijklmnop', ['chrome-extension://abcdefghijklmnopabcdefghijklmnop']],
    ['safari-web-extension://E1D9-0AF3', ['safari-web-extension://e1d9-0af3']],
    ['vscode-webview://0abc', ['vscode-webview://0abc']],
    ['file://', ['file://']],
    ['https://app.example/path', BAD],
    ['app://obsidian.md/index.html', BAD],
    ['app.example', BAD],
    ['localhost:3000', BAD],
    ['app://', BAD],
    ['https://user@app.example', BAD],
    ['https://app.example?x', BAD],
    ['null', BAD],
    ['*', BAD],
    ['https://*', BAD],
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
  expect(expandPath('/a/../b')).toBe(resolve('/b'));
  expect(expandPath('state')).toBe(resolve('state'));
});
