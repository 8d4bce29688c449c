import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oneLine } from '../../../src/core/text/one-line.ts';
import { redact } from '../../../src/core/text/redact.ts';
import { cpuMs } from '../../support/cpu-time.ts';

describe('redact', () => {
  it.each([
    ['bad key sk-kimi-AbC_123-xyz given', 'bad key sk-*** given'],
    ['"key":"sk-12345678"', '"key":"sk-***"'],
    ['raw\\nsk-kimi-abcdef12345', 'raw\\nsk-***'],
    ['Authorization: Bearer abc.def-ghi', 'Authorization: Bearer ***'],
    ['authorization: bearer   tok', 'authorization: bearer   ***'],
    ['Your account org-a1b2c3d4e5f6 <ak-f0e1d2c3b4> is over', 'Your account org-*** <ak-***> is over'],
    ['token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here', 'token *** here'],
    ['the task-management of sk-1234567 stays', 'the task-management of sk-1234567 stays'],
    ['break-fast and reorg-anisation stay', 'break-fast and reorg-anisation stay'],
  ])('%s', (text, clean) => {
    expect(redact(text, [])).toBe(clean);
  });

  it('takes the given secrets out, the longest first', () => {
    expect(redact('a hunter2-long and a hunter2', ['hunter2', 'hunter2-long'])).toBe('a *** and a ***');
  });

  it('leaves the text alone when a secret is empty', () => {
    expect(redact('plain words', [''])).toBe('plain words');
  });

  it('is done after one pass and leaves no secret, wherever it stands', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9_-]{9,60}$/).map((tail) => `sk-kimi-${tail}`);
    fc.assert(
      fc.property(fc.string(), secret, fc.string(), (before, key, after) => {
        const clean = redact(`${before}${key}${after}`, [key]);
        expect(clean).not.toContain(key);
        expect(redact(clean, [key])).toBe(clean);
        expect(redact(`${before}${key}${after}`, [])).not.toContain(key);
      }),
    );
  });

  it.each(['Bearer ', 'sk-', 'sk-kimi-', 'org-', 'eyJ', 'eyJaaaaaaaa.', ' '])(
    'takes linear time on a megabyte of %j',
    async (piece) => {
      const text = piece.repeat(Math.floor(1_000_000 / piece.length));
      expect(await cpuMs(() => redact(text, ['sk-kimi-secret']))).toBeLessThan(1000);
    },
  );
});

describe('oneLine', () => {
  it.each([
    ['plain', 'plain'],
    ['  two\r\n\tlines ', 'two lines'],
    ['\u001b[31mred\u001b[0m', '[31mred [0m'],
    ['left\u202Eright\u200B', 'left right'],
    ['', ''],
  ])('%j becomes %j', (text, line) => {
    expect(oneLine(text, 20)).toBe(line);
  });

  it('cuts between characters and says so', () => {
    expect(oneLine('abcdefghij', 5)).toBe('abcd…');
    expect(oneLine('abc😀def', 5)).toBe('abc…');
  });

  it('never exceeds its length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 1, max: 80 }), (text, max) => {
        const line = oneLine(text, max);
        expect(line.length).toBeLessThanOrEqual(max);
        expect(line).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});
