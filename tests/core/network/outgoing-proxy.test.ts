import { describe, expect, it } from 'vitest';
import { parseProxy, pickProxy, shownProxy } from '../../../src/core/network/outgoing-proxy.ts';
import { proxyFor } from '../../../src/proxy/upstream/upstreams.ts';

const read = (text: string) => {
  const proxy = parseProxy(text);
  if ('problem' in proxy) return proxy.problem;
  const login = proxy.user === null ? '' : ` as ${proxy.user}:${proxy.password}`;
  return `${proxy.protocol} ${shownProxy(proxy)}${login}`;
};

describe('a proxy as users write it', () => {
  it.each([
    ['proxy:3128', 'http proxy:3128'],
    ['127.0.0.1:7890', 'http 127.0.0.1:7890'],
    ['localhost', 'http localhost:80'],
    ['http://proxy', 'http proxy:80'],
    ['proxy.corp', 'http proxy.corp:80'],
    ['//proxy:3128', 'http proxy:3128'],
    ['http:/proxy:3128', 'http proxy:3128'],
    ['HTTP://Proxy.Corp:3128/', 'http proxy.corp:3128'],
    ['http://proxy:80', 'http proxy:80'],
    ['https://proxy', 'https proxy:443'],
    ['https://proxy:80/', 'https proxy:80'],
    [' "http://proxy:1" ', 'http proxy:1'],
    ["'proxy:1'", 'http proxy:1'],
    ['[::1]:8080', 'http [::1]:8080'],
    ['socks5://[2001:DB8::1]', 'socks5 [2001:db8::1]:1080'],
    ['socks5h://proxy', 'socks5 proxy:1080'],
    ['SOCKS://proxy:1', 'socks5 proxy:1'],
    ['user:pass@proxy:3128', 'http proxy:3128 as user:pass'],
    ['http://user@proxy:3128', 'http proxy:3128 as user:'],
    ['http://DOMAIN%5Cuser:p%40ss%2F%C3%BC@proxy:1', 'http proxy:1 as DOMAIN\\user:p@ss/\u00fc'],
    ['http://user:p@ss:w/o?r#d@proxy:1', 'http proxy:1 as user:p@ss:w/o?r#d'],
    ['http://user:100%@proxy:1', 'http proxy:1 as user:100%'],
    ['http://user:%zz%40@proxy:1', 'http proxy:1 as user:%zz@'],
  ])('%s is %s', (text, expected) => expect(read(text)).toBe(expected));

  it.each([
    ['socks4://proxy:1', 'SOCKS4 is not supported'],
    ['SOCKS4A://user:pass@proxy:1', 'SOCKS4 is not supported'],
    ['ftp://proxy', 'ftp:// is not supported'],
    ['http://', 'it is not an address of a proxy'],
    ['http://:8080', 'it is not an address of a proxy'],
    ['::1', 'it is not an address of a proxy'],
    ['http://a b:1', 'it is not an address of a proxy'],
    ['a:1,b:2', 'it is not an address of a proxy'],
    ['http=a:1;https=b:2', 'it is not an address of a proxy'],
    ['http:proxy:8080', 'it is not an address of a proxy'],
    ['proxy:port', 'it is not an address of a proxy'],
    ['proxy:0', 'its port is none from 1 to 65535'],
    ['proxy:99999', 'its port is none from 1 to 65535'],
    ['http://wpad/wpad.dat', 'it is a file of rules (PAC), not a proxy'],
    ['', 'it is not an address of a proxy'],
    ...['proxy', 'none', 'on', '1', '"auto"', 'system/', 'me:secret@proxy'].map((word) => [
      word,
      'it is one word without a port, which may be no host',
    ]),
  ])('%s cannot be used: %s', (text, expected) => expect(read(text)).toBe(expected));
});

describe('the proxy for upstream calls', () => {
  const KIMI = 'https://api.kimi.com';
  const Q = { HTTPS_PROXY: 'http://q:2' };
  it.each([
    [KIMI, '', {}, null],
    [KIMI, 'p:1', {}, 'KMI_UPSTREAM_PROXY p:1'],
    [KIMI, 'p:1', { ...Q, NO_PROXY: '*' }, 'KMI_UPSTREAM_PROXY p:1'],
    [KIMI, '', Q, 'HTTPS_PROXY q:2'],
    [KIMI, 'none', Q, null],
    [KIMI, 'none', { ALL_PROXY: 'q:2' }, null],
    [KIMI, '', { https_proxy: 'q:2', HTTPS_PROXY: 'r:3' }, 'https_proxy q:2'],
    [KIMI, '', { https_proxy: ' ', HTTPS_PROXY: 'r:3' }, 'HTTPS_PROXY r:3'],
    [KIMI, '', { ALL_PROXY: 'socks5://s:3' }, 'ALL_PROXY s:3'],
    [KIMI, '', { all_proxy: 'socks5://s:3' }, 'all_proxy s:3'],
    [KIMI, '', { HTTPS_PROXY: '  ', ALL_PROXY: 'http://s:3' }, 'ALL_PROXY s:3'],
    [KIMI, '', { HTTP_PROXY: 'http://q:2' }, null],
    [KIMI, '', { ...Q, NO_PROXY: 'example.com,api.kimi.com' }, null],
    [KIMI, '', { ...Q, NO_PROXY: '.kimi.com' }, null],
    [KIMI, '', { ...Q, NO_PROXY: '*.KIMI.com' }, null],
    [KIMI, '', { ...Q, NO_PROXY: '"kimi.com"' }, null],
    [KIMI, '', { ...Q, no_proxy: 'kimi.com:443 other' }, null],
    [KIMI, '', { ...Q, no_proxy: 'kimi.com:8443' }, 'HTTPS_PROXY q:2'],
    ['https://kimi.com:8443', '', { ...Q, no_proxy: 'kimi.com:8443' }, null],
    ['https://kimi.com:8443', '', { ...Q, no_proxy: 'kimi.com' }, null],
    ['https://[2001:db8::1]', '', { ...Q, no_proxy: '2001:db8::1' }, null],
    ['https://[2001:db8::1]:8443', '', { ...Q, no_proxy: '[2001:db8::1]:8443' }, null],
    ['https://[2001:db8::1]', '', { ...Q, no_proxy: '[2001:db8::1]:8443' }, 'HTTPS_PROXY q:2'],
    [KIMI, '', { ...Q, NO_PROXY: '*' }, null],
    [KIMI, '', { ...Q, NO_PROXY: 'imi.com,kimi.co,' }, 'HTTPS_PROXY q:2'],
    ['http://127.0.0.1:9', 'http://p:1', {}, null],
    ['http://localhost:9', '', Q, null],
    ['http://[::1]:9', 'socks5://p:1', { ALL_PROXY: 'http://q:2' }, null],
  ])('for %s with %j and %j is %j', (origin, setting, environment, expected) => {
    const proxy = proxyFor(origin, setting, environment);
    expect(proxy === null || 'problem' in proxy ? proxy : `${proxy.variable} ${shownProxy(proxy)}`).toBe(expected);
  });

  it('is named by its variable when it cannot be used', () => {
    expect(pickProxy(new URL(KIMI), '', { https_proxy: 'socks4://u:p@q' })).toEqual({
      problem: 'SOCKS4 is not supported',
      variable: 'https_proxy',
    });
  });
});
