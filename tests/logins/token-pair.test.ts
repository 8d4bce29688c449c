import { expect, test } from 'vitest';
import { parseCredential, renderCredential } from '../../src/logins/token-pair.ts';

const TEXT = `{
  "access_token": "access-1",
  "refresh_token": "refresh-1",
  "expires_at": 1796000900,
  "scope": "kimi-code",
  "token_type": "Bearer",
  "expires_in": 900
}
`;
const TOKENS = {
  accessToken: 'access-1',
  refreshToken: 'refresh-1',
  expiresAt: 1796000900,
  expiresIn: 900,
  scope: 'kimi-code',
  tokenType: 'Bearer',
};

test('a credential file is read and written byte for byte as Kimi Code writes it', () => {
  expect(parseCredential(TEXT)).toEqual({ kind: 'pair', tokens: TOKENS });
  expect(renderCredential(TOKENS)).toBe(TEXT);
});

test('kimi-cli writes the end with a fraction, and it counts in whole seconds', () => {
  const { tokens } = parseCredential(TEXT.replace('1796000900', '1796000900.75')) as { tokens: typeof TOKENS };
  expect(tokens.expiresAt).toBe(1796000900);
});

test('an end of 0 is none, and stays 0 in the file', () => {
  const text = TEXT.replace('1796000900', '0');
  expect(parseCredential(text)).toEqual({ kind: 'pair', tokens: { ...TOKENS, expiresAt: null } });
  expect(renderCredential({ ...TOKENS, expiresAt: null })).toBe(text);
});

test('a file with an empty access token is the tombstone of a login', () => {
  const tombstone = TEXT.replace('access-1', '').replace('refresh-1', '').replace('1796000900', '0').replace('900', '0');
  expect(parseCredential(tombstone)).toEqual({ kind: 'tombstone' });
});

test.each(['', '{', '[]', 'null', '"text"', '{"access_token": "with a blank"}', '{"access_token": "ä"}'])(
  'no login is in %j',
  (text) => {
    expect(parseCredential(text)).toEqual({ kind: 'broken' });
  },
);

test('a field that is missing is empty, as to Kimi Code', () => {
  expect(parseCredential('{"access_token":"a"}')).toEqual({
    kind: 'pair',
    tokens: { accessToken: 'a', refreshToken: '', expiresAt: null, expiresIn: null, scope: '', tokenType: '' },
  });
});
