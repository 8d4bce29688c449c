import { describe, expect, it } from 'vitest';
import { fileAccountInTarget, findFileAccount } from '../../../src/core/sessions/file-references.ts';

const HELD = new Map([
  ['file-1', 'A'],
  ['file_011CX.b', 'B'],
  ['d1q2w3e4', 'A'],
]);
const accountOf = (id: string) => HELD.get(id) ?? null;
const find = (...texts: string[]) =>
  findFileAccount(
    texts.map((text) => Buffer.from(text)),
    accountOf,
  );

describe('a body names a file', () => {
  it.each([
    ['Kimi', { messages: [{ content: [{ type: 'video_url', video_url: { url: 'ms://file-1' } }] }] }, 'A'],
    ['Responses, a file', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] }, 'A'],
    ['Responses, an image', { input: [{ content: [{ type: 'input_image', file_id: 'd1q2w3e4', detail: 'auto' }] }] }, 'A'],
    ['Responses, a container', { tools: [{ container: { type: 'auto', file_ids: ['unknown', 'file-1'] } }] }, 'A'],
    ['chat completions', { messages: [{ content: [{ type: 'file', file: { file_id: 'file-1' } }] }] }, 'A'],
    ['attachments', { attachments: [{ file_id: 'file_011CX.b', tools: [] }] }, 'B'],
    ['Anthropic', { messages: [{ content: [{ type: 'document', source: { type: 'file', file_id: 'file_011CX.b' } }] }] }, 'B'],
    ['Anthropic, a container', { messages: [{ content: [{ type: 'container_upload', file_id: 'file_011CX.b' }] }] }, 'B'],
    ['a batch', { input_file_id: 'file-1', endpoint: '/v1/chat/completions' }, 'A'],
    ['one not known and one known', { a: { file_id: 'file-9' }, b: { url: 'ms://file-8' }, c: { file_id: 'd1q2w3e4' } }, 'A'],
    [
      'one after 100 not known',
      { list: Array.from({ length: 100 }, (_, n) => ({ file_id: `f${n}` })), c: { file_id: 'file-1' } },
      'A',
    ],
  ])('as %s does', (_, body, account) => {
    const text = JSON.stringify(body);
    expect(find(text)).toBe(account);
    expect(find(JSON.stringify(body, null, 2))).toBe(account);
    expect(find(text.replaceAll('/', '\\/'))).toBe(account);
    for (let at = 1; at < text.length; at += 7) expect(find(text.slice(0, at), text.slice(at))).toBe(account);
  });

  it.each([
    ['an unknown id', '{"file_id":"file-2"}'],
    ['the beginning of an id', '{"file_id":"file-12"}'],
    ['a text that speaks of a file', JSON.stringify({ content: 'see ms://file-1 and "file_id": "file-1"' })],
    ['a tool call carried as text', JSON.stringify({ arguments: JSON.stringify({ file_id: 'file-1', url: 'ms://file-1' }) })],
    ['a schema', '{"properties":{"file_id":{"type":"string","enum":["file-1"]}},"required":["file_id"]}'],
    ['another member', '{"profile_id":"file-1","file_idx":"file-1","id":"file-1"}'],
    ['no text', '{"file_id":null,"file_ids":[],"input_file_id":7}'],
    ['an end in the middle', '{"file_ids":["x"'],
    ['a scheme that is another', '{"url":"ms:file-1","b":"ms:/file-1","c":"ms:\\u002f/file-1"}'],
    ['nothing', ''],
  ])('not by %s', (_, text) => expect(find(text)).toBeNull());
});

it.each([
  ['/files/file-1', '', 'A'],
  ['/files/file_011CX.b/content', '', 'B'],
  ['/files', '?limit=20&after=file-1', 'A'],
  ['/files', '?file_ids=x%2Cfile_011CX.b', 'B'],
  ['/files', '?purpose=file-2', null],
  ['/chat/completions', '', null],
])('a target %s%s names a file of %s', (endpoint, query, account) => {
  expect(fileAccountInTarget(endpoint, query, accountOf)).toBe(account);
});
