import fc from 'fast-check';
import { expect, it } from 'vitest';
import { redact } from '../../../src/core/text/redact.ts';
import { SecretSet } from '../../../src/core/text/secret-set.ts';

it('takes secrets out as they are and as they stand in JSON, the longest first, and whatever looks like one', () => {
  const secrets = new SecretSet(['hunter2', 'hunter2-long', 'q"w\\e', '']);
  expect(secrets.redact('a hunter2-long and a hunter2')).toBe('a *** and a ***');
  expect(secrets.redact(JSON.stringify({ token: 'q"w\\e', plain: 'words' }))).toBe('{"token":"***","plain":"words"}');
  expect(secrets.redact('q"w\\e Bearer abc')).toBe('*** Bearer ***');
  expect(new SecretSet().redact('plain words')).toBe('plain words');
});

it('learns secrets', () => {
  const secrets = new SecretSet();
  expect(secrets.redact('the late-secret')).toBe('the late-secret');
  secrets.add('late-secret');
  secrets.add('late-secret');
  expect(secrets.redact('the late-secret')).toBe('the ***');
});

it('forgets passing ones when there are thousands of newer ones, and no others', () => {
  const set = new SecretSet(['lasting-secret']);
  set.addPassing('first-token');
  set.addPassing('first-token');
  for (let n = 0; n < 4_999; n += 1) set.addPassing(`token-${String(n).padStart(5, '0')}`);
  expect(set.redact('first-token token-04998 lasting-secret')).toBe('*** *** ***');
  set.addPassing('token-last!');
  expect(set.redact('first-token token-00000 token-last! lasting-secret')).toBe('first-token *** *** ***');
});

it('leaves none in, and nothing out of a text that holds none', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), fc.array(piece, { maxLength: 20 }), (words, pieces) => {
      const text = pieces.join('');
      const clean = new SecretSet(words).redact(text);
      for (const word of words) expect(clean).not.toContain(word);
      if (words.every((word) => !text.includes(word))) expect(clean).toBe(text);
      // One secret at a time it is what `redact` makes of it.
      if (words.length === 1) expect(clean).toBe(redact(text, words));
    }),
    { numRuns: 2000 },
  );
});
