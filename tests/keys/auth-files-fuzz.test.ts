import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAuthFile } from '../../src/keys/auth-files.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { put, temporaryFolder, UPSTREAM } from './auth-folder-fixture.ts';

const FORMATS = ['env', 'toml', 'json', 'any'] as const;
const RULES = { upstreamBaseUrl: UPSTREAM, upstreamAllowlist: [] };

const folder = await temporaryFolder();

async function read(content: string | Uint8Array, format: (typeof FORMATS)[number]) {
  const path = await put(folder, 'fuzz.bak', content);
  return readAuthFile({ path, name: 'fuzz.bak', format, stem: 'fuzz', subfolder: null }, RULES);
}

/** Text that looks like auth files often enough to get past the parsers' first line. */
const pieces = fc.constantFrom(
  ...['KMI_API_KEY', 'KMI_KEY_LABEL', 'KMI_', 'providers', 'api_key', 'base_url', '__proto__', 'constructor', 'sk-secret'],
  ...['=', ' = ', '[', ']', '[[', ']]', '{', '}', '"', "'", '"""', "'''", '.', ',', ':', '#', '\\', '\n', '\r\n', ' ', '\u0000'],
  ...['[providers."managed:kimi-code"]\n', 'api_key = "sk-secret"\n', '{"providers":{"x":{"api_key":"sk-secret"}}}', 'https://x'],
);
const lookalike = fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join(''));

test('any content gives a key or a reason that quotes nothing, and pollutes nothing', async () => {
  const content = fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.string({ unit: 'binary' }), lookalike, fc.json());
  await fc.assert(
    fc.asyncProperty(content, fc.constantFrom(...FORMATS), async (bytes, format) => {
      const { result, remarks } = await read(bytes, format);
      expect(JSON.stringify(remarks)).not.toContain('sk-secret');
      if ('detail' in result) expect(result.detail).not.toContain('sk-secret');
      else {
        expect(result.value).toMatch(/^[\x21-\x7e]+$/);
        expect(result.label).toMatch(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u);
        expect(result.label in Object.prototype).toBe(false);
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
    }),
    { numRuns: 1500 },
  );
});

const MIB = 1024 * 1024;
const repeated = (text: string) => text.repeat(Math.floor(MIB / text.length));

test.each([
  ['blank lines', repeated('\n')],
  ['carriage returns', repeated('\r')],
  ['line separators', repeated('\u2028').slice(0, MIB / 3)],
  ['blanks', repeated(' ')],
  ['blanks in a value', `KMI_API_KEY=x${' '.repeat(MIB - 100)}y`],
  ['blanks in a label', `KMI_API_KEY=x\nKMI_KEY_LABEL="a${' '.repeat(MIB - 100)}b"`],
  ['open quotes', repeated("A='\n")],
  ['escaped quotes', `A="${repeated('\\"')}`.slice(0, MIB)],
  ['quote and escape lines', repeated("A='x\\'y\n")],
  ['slashes in a URL', `KMI_API_KEY=x\nKMI_UPSTREAM_BASE_URL=https://x/${'/'.repeat(MIB - 100)}y`],
  ['open brackets', repeated('[')],
  ['nested arrays', `a=${repeated('[').slice(9)}`],
  ['nested tables', repeated('{"a":').slice(0, MIB)],
  ['nested inline tables', repeated('a={').slice(0, MIB)],
  ['a dotted key', `${repeated('a.').slice(0, MIB - 10)}a=1`],
  ['many tables', repeated('[a]\n')],
  ['many keys', Array.from({ length: 60_000 }, (_, index) => `k${index} = ${index}`).join('\n')],
  ['a long number', `a=${'9'.repeat(200_000)}`],
  ['an address without end', `{"email":"${'a@'.repeat(MIB / 4)}","providers":{"x":{"api_key":"k"}}}`],
])('a file of %s is read within seconds', async (_what, content) => {
  for (const format of FORMATS) {
    expect(await cpuMs(() => read(content, format)), format).toBeLessThan(5000);
  }
});
