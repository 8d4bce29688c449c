import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { KmiError } from '../../src/errors.ts';
import { throttle } from '../../src/proxy/gate/throttle.ts';
import { renderError, renderStreamError } from '../../src/proxy/http/error-responses.ts';
import { errorText } from '../../src/proxy/http/error-text.ts';

describe('the text of an error body', () => {
  const text = '{"error":{"message":"限流"}}';
  it.each([
    ['identity', (bytes: Buffer) => bytes],
    ['', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
    [' GZIP ', gzipSync],
    ['x-gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
  ])('is unpacked from %j', (encoding, pack) => {
    expect(errorText(pack(Buffer.from(text)), encoding)).toBe(text);
  });

  it('needs no encoding', () => expect(errorText(Buffer.from(text), undefined)).toBe(text));

  it.each(['zstd', 'gzip, br', 'nonsense'])('of an encoding nobody knows (%s) is empty', (encoding) => {
    expect(errorText(Buffer.from(text), encoding)).toBe('');
  });

  it('that claims to be gzip and is not is empty', () => expect(errorText(Buffer.from(text), 'gzip')).toBe(''));

  it('is bounded, packed bombs included', () => {
    expect(errorText(Buffer.alloc(10_000_000, 'x'), undefined).length).toBeLessThanOrEqual(256 * 1024);
    expect(errorText(gzipSync(Buffer.alloc(50_000_000)), 'gzip')).toBe('');
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom('gzip', 'br', 'deflate', 'identity', 'x'),
        (bytes, encoding) => {
          expect(typeof errorText(Buffer.from(bytes), encoding)).toBe('string');
        },
      ),
    );
  });
});

describe('an error of the proxy itself', () => {
  const error = new KmiError('no_eligible_key', 'No "key" can serve.', { retryAfterSeconds: 7 });

  it('is an OpenAI error on most paths', () => {
    expect(JSON.parse(renderError(error, { anthropic: false }))).toEqual({
      error: { message: `No "key" can serve. ${error.hint}`, type: 'kmi_error', code: 'no_eligible_key' },
    });
  });

  it.each([
    ['no_eligible_key', 'overloaded_error'],
    ['unauthorized', 'authentication_error'],
    ['forbidden_host', 'permission_error'],
    ['bad_path', 'invalid_request_error'],
    ['not_found', 'not_found_error'],
    ['rate_limited', 'rate_limit_error'],
    ['body_too_large', 'request_too_large'],
    ['upstream_unreachable', 'api_error'],
    ['upstream_timeout', 'api_error'],
    ['internal', 'api_error'],
  ] as const)('%s is the %s of Anthropic', (code, type) => {
    expect(JSON.parse(renderError(new KmiError(code, 'x', { hint: 'y' }), { anthropic: true }))).toEqual({
      type: 'error',
      error: { type, message: 'x y' },
    });
  });

  it('is one event in a stream, in either protocol', () => {
    const odd = new KmiError('internal', 'line\nbreak', { hint: '' });
    for (const anthropic of [false, true]) {
      const event = renderStreamError(odd, { anthropic });
      expect(event.endsWith('\n\n')).toBe(true);
      expect(event.trimEnd().split('\n')).toHaveLength(anthropic ? 2 : 1);
      expect(event.startsWith('event: error\n')).toBe(anthropic);
    }
  });
});

describe('the limit of the whole proxy', () => {
  const configOf = (settings: Record<string, string>) => loadConfig(settings, '/nowhere').config;

  it('is none by default', () => expect(throttle(configOf({}), () => 0)).toBeNull());

  it('lets a burst through, then says how long to wait', () => {
    let now = 1_000_000;
    const pass = throttle(configOf({ KMI_PROXY_MAX_RPS: '2', KMI_PROXY_MAX_RPM: '3' }), () => now) as () => void;
    const refusal = (retryAfterSeconds: number) => expect.objectContaining({ code: 'rate_limited', retryAfterSeconds });
    pass();
    pass();
    expect(pass).toThrow(refusal(1));
    now += 500;
    pass();
    expect(pass).toThrow(refusal(20));
    now += 20_000;
    pass();
  });
});
