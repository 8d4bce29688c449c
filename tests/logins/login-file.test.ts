import { expect, test } from 'vitest';
import { parseLogin, renderLogin } from '../../src/logins/login-file.ts';

const FILE = {
  version: 1,
  id: '0a1b2c3d',
  label: 'ada',
  kind: 'own',
  region: 'global',
  oauth_host: 'https://auth.kimi.ai',
  base_url: 'https://api.kimi.ai/coding/v1',
  account: '0123456789abcdef',
  email: 'ada@example.com',
  priority: -2,
  weight: 100,
  disabled: false,
  created_at: 1796000000,
  refused: null,
  file: null,
  tokens: {
    access_token: 'access-1',
    refresh_token: 'refresh-1',
    expires_at: 1796000900,
    scope: '',
    token_type: 'Bearer',
    expires_in: 900,
  },
};
const textOf = (file: object) => `${JSON.stringify(file, null, 2)}\n`;

test('a login comes back from its file byte for byte', () => {
  const parsed = parseLogin(textOf(FILE), FILE.id);
  if ('problem' in parsed) throw new Error(parsed.problem);
  expect(parsed.login).toMatchObject({ label: 'ada', kind: 'own', region: 'global', account: '0123456789abcdef', file: null });
  expect(parsed.tokens?.refreshToken).toBe('refresh-1');
  expect(renderLogin(parsed)).toBe(textOf(FILE));
});

test('the file of a client holds where its tokens are, and none of them', () => {
  const { tokens: _, ...slot } = { ...FILE, kind: 'kimi-code', file: '/home/ada/.kimi-code/credentials/kimi-code.json' };
  const parsed = parseLogin(textOf(slot), FILE.id);
  if ('problem' in parsed) throw new Error(parsed.problem);
  expect(parsed.tokens).toBeNull();
  expect(renderLogin(parsed)).toBe(textOf(slot));
});

test.each<[string, unknown]>([
  ['id', 'ffffffff'],
  ['label', ''],
  ['label', 'two\nlines'],
  ['label', 5],
  ['kind', 'codex'],
  ['kind', 'kimi-code'],
  ['region', 'mars'],
  ['oauth_host', 'http://auth.example.com'],
  ['oauth_host', 'https://user:secret@auth.example.com'],
  ['base_url', 'http://api.example.com'],
  ['account', 'with a blank'],
  ['email', 'a\u001b[31m'],
  ['priority', 1.5],
  ['weight', 0],
  ['weight', 1001],
  ['disabled', 'no'],
  ['created_at', -1],
  ['refused', 'ABCDEF012345'],
  ['file', '/somewhere'],
  ['tokens', null],
  ['tokens', { access_token: 'a' }],
  ['tokens', { access_token: 'a b', refresh_token: 'c' }],
])('a %s of %j is a problem that names the field and nothing of what is in the file', (field, value) => {
  const parsed = parseLogin(textOf({ ...FILE, [field]: value }), FILE.id);
  const problem = 'problem' in parsed ? parsed.problem : '';
  expect(problem).toMatch(/^Its \w+ is not as kmi writes it; log in again with `kmi login` and remove the file\.$/);
  expect(problem).toContain(field === 'kind' && value === 'kimi-code' ? 'file' : field);
  expect(problem).not.toMatch(/access-1|refresh-1|secret/);
});

test.each(['', '{"version": 1', '[]', 'null'])('a file that was cut off says so: %j', (text) => {
  expect(parseLogin(text, FILE.id)).toEqual({
    problem: 'It is not a JSON object; log in again with `kmi login` and remove the file.',
  });
});

test('a file of another version is left alone', () => {
  expect(parseLogin(textOf({ ...FILE, version: 2 }), FILE.id)).toEqual({
    problem: 'The login was written by another version of kmi.',
  });
});
