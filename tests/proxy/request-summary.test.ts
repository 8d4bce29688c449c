import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarisePrompt, summariseText } from '../../src/proxy/record/request-summary.ts';
import { cpuMs } from '../support/cpu-time.ts';

const hintOf = (body: unknown) => summarisePrompt([Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))]).hint;
const user = (content: unknown) => ({ role: 'user', content });

describe('the first words of the last message', () => {
  it.each([
    ['a string', { messages: [user('Old words'), user('Fix the build')] }, 'Fix the build'],
    ['after an answer', { messages: [user('One'), { role: 'assistant', content: 'Two' }, user('Three')] }, 'Three'],
    [
      'parts of OpenAI',
      {
        messages: [
          user([
            { type: 'text', text: 'Look at this' },
            { type: 'image_url', image_url: { url: 'x' } },
          ]),
        ],
      },
      'Look at this',
    ],
    [
      'an image before the text',
      {
        messages: [
          user([
            { type: 'image_url', image_url: { url: 'data:x' } },
            { type: 'text', text: 'What is it' },
          ]),
        ],
      },
      'What is it',
    ],
    [
      'blocks of Anthropic',
      { system: 'Be nice', messages: [user([{ type: 'text', text: 'Hi there', cache_control: { type: 'ephemeral' } }])] },
      'Hi there',
    ],
    ['quotes and backslashes', { messages: [user('say "hi" \\ to /me')] }, 'say "hi" \\ to /me'],
    [
      'a quoted role in the text',
      { messages: [user('set "role": "admin" and "content": "x"')] },
      'set "role": "admin" and "content": "x"',
    ],
    ['unicode', { messages: [user('你好 мир 👋🏽')] }, '你好 мир 👋🏽'],
    ['line breaks', { messages: [user('one\n\ttwo\r\nthree')] }, 'one two three'],
    ['no content', { messages: [{ role: 'assistant', content: null }] }, ''],
    ['no messages', { model: 'k3' }, ''],
    ['an empty string', { messages: [user('')] }, ''],
  ])('%s', (_, body, hint) => expect(hintOf(body)).toBe(hint));

  describe('what a client adds is passed over', () => {
    const reminder = '<system-reminder>\nAuto permission mode is active. <b>Mind it.</b>\n</system-reminder>';
    const text = (words: string) => ({ type: 'text', text: words });
    const result = { type: 'tool_result', tool_use_id: 't', content: [text('line 1 of a file')] };
    const step = [
      { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'read', input: { path: 'x' } }] },
      user([result]),
    ];
    it.each([
      ['a block before the text', [user(`${reminder}\nFix the build`)], 'Fix the build'],
      ['a block behind it', [user(`Fix the build\n${reminder}`)], 'Fix the build'],
      ['a block between two lines', [user(`Fix\n${reminder}\n  the build`)], 'Fix the build'],
      ['several blocks', [user(`${reminder} ${reminder}\n\n<env os="linux" shell='sh'>x</env>\tFix it`)], 'Fix it'],
      ['a block longer than is looked at for words', [user(`<a-b>${'x '.repeat(20_000)}</a-b>Fix it`)], 'Fix it'],
      ['a part of its own before', [user([text(reminder), text('Fix the build')])], 'Fix the build'],
      ['a part of its own behind', [user([text('Fix the build'), text(reminder)])], 'Fix the build'],
      ['words of the client before', [user([text('Available agent types for the Agent tool:'), text('Fix it')])], 'Fix it'],
      ['a message of its own', [user('Fix the build'), user(reminder)], 'Fix the build'],
      ['a system message at the end', [user('Fix it'), { role: 'system', content: 'Available agent types' }], 'Fix it'],
      ['the steps of an agent', [user('Fix the build'), ...step, ...step, ...step], 'Fix the build'],
      [
        "OpenAI's results of tools",
        [
          user('Fix the build'),
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 't', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 't', content: 'line 1 of a file' },
        ],
        'Fix the build',
      ],
      ['a result and a text in one message', [user('Fix it'), user([result, text('No, stop')])], 'No, stop'],
      ['a tag that is not closed', [user('<div> in the middle of a page')], '<div> in the middle of a...'],
      ['a tag in the middle of a line', [user('Why is <b>this</b> bold')], 'Why is <b>this</b> bold'],
      ['no tag at all', [user('1 < 2 and 4 > 3')], '1 < 2 and 4 >...'],
      ['a backslash and an n', [user('<x>y</x> C:\\new\\<dir>')], 'C:\\new\\<dir>'],
      ['only blocks', [user(reminder)], '<system-reminder> Auto permission mode is active....'],
    ])('%s', (_, messages, hint) => {
      expect(hintOf({ messages })).toBe(hint);
      expect(hintOf(JSON.stringify({ messages }, null, 2))).toBe(hint);
      const tools = { tools: [{ name: 'x', input_schema: { properties: { role: { type: 'string' } } } }] };
      expect(hintOf({ messages, ...tools })).toBe(hint);
      const backwards = messages.map((message) => Object.fromEntries(Object.entries(message).reverse()));
      expect(hintOf({ messages: backwards })).toBe(hint);
    });

    it.each(['\\u003c', '\\u003C'])('where < is written as %s', (escaped) => {
      const body = JSON.stringify({ messages: [user(`${reminder}\nFix the build`)] });
      const other = escaped.replace('3c', '3e').replace('3C', '3E');
      expect(hintOf(body.replaceAll('<', escaped).replaceAll('>', other))).toBe('Fix the build');
    });

    it('also in parts of the Responses API', () => {
      const input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: `${reminder}Fix it` }] }];
      expect(hintOf({ input })).toBe('Fix it');
    });

    it('in a body that came in pieces, cut anywhere', () => {
      const bytes = Buffer.from(JSON.stringify({ messages: [user(`${reminder}\nFix it`), ...step] }));
      for (let at = 0; at <= bytes.length; at++) {
        expect(summarisePrompt([bytes.subarray(0, at), bytes.subarray(at)]).hint).toBe('Fix it');
      }
    });

    it('at no great cost, however many steps an agent has taken', async () => {
      const steps = Array.from({ length: 400 }, () => step).flat();
      const big = user([{ ...result, content: 'x"y\\'.repeat(50_000) }]);
      const bytes = Buffer.from(JSON.stringify({ messages: [user('Fix it'), ...steps, big, ...steps] }));
      const ms = await cpuMs(() => {
        for (let n = 0; n < 100; n++) summarisePrompt([bytes]);
      });
      expect(ms / 100).toBeLessThan(2);
    });
  });

  it('are found before tools whose properties are called "role" and "content"', () => {
    const tools = Array.from({ length: 10 }, () => ({
      type: 'function',
      function: {
        name: 'send',
        parameters: {
          type: 'object',
          properties: { role: { type: 'string' }, content: { type: 'string' } },
          required: ['role', 'content'],
        },
      },
    }));
    expect(hintOf({ messages: [user('Ask the tools')], tools })).toBe('Ask the tools');
  });

  it('are found with white space around, as a pretty printer leaves it', () => {
    expect(hintOf(JSON.stringify({ messages: [user('Pretty good')] }, null, 2))).toBe('Pretty good');
  });

  it('are found when escaped as \\u', () => {
    expect(hintOf('{"messages":[{"role":"user","content":"caf\\u00e9 \\ud83d\\ude00 \\n x"}]}')).toBe('café 😀 x');
  });

  it('are found when the content stands before the role', () => {
    expect(hintOf('{"messages":[{"content":"First things first","role":"user"}]}')).toBe('First things first');
  });

  it('of a tool result are not taken from somewhere else', () => {
    const body = {
      messages: [user([{ type: 'tool_result', tool_use_id: 't', content: 'done' }])],
      system: [{ type: 'text', text: 'You are an agent' }],
    };
    expect(hintOf(body)).toBe('done');
  });

  it('are found in a body that came in pieces, cut anywhere', () => {
    const bytes = Buffer.from(JSON.stringify({ messages: [user('grüße aus köln')] }));
    for (let at = 0; at <= bytes.length; at++) {
      expect(summarisePrompt([bytes.subarray(0, at), bytes.subarray(at)]).hint).toBe('grüße aus köln');
    }
  });

  it('are found fast in a body of many megabytes', async () => {
    const messages = Array.from({ length: 2000 }, (_, n) => user(`${n} ${'"x"\\'.repeat(2000)}`));
    const bytes = Buffer.from(JSON.stringify({ messages: [...messages, user(`last one ${'y'.repeat(3_000_000)}`)] }));
    expect(bytes.length).toBeGreaterThan(16_000_000);
    const ms = await cpuMs(() => expect(summarisePrompt([bytes]).hint).toMatch(/^last one y+\.\.\.$/));
    expect(ms).toBeLessThan(200);
  });

  it('are nothing for hostile bytes, and never an error', () => {
    const piece = fc.constantFrom(
      '"role"',
      '"content"',
      '"text"',
      ':',
      ' ',
      '"',
      '\\',
      '{',
      '[',
      '\\u12',
      '\\ud800',
      'x',
      '\u0000',
      '"role":"',
      '"content":"',
      '"content":[',
      ']',
      '}',
    );
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.array(piece, { maxLength: 60 }).map((all) => Buffer.from(all.join(''))),
    );
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 3 }), (chunks) => {
        const { hint, head } = summarisePrompt(chunks);
        expect([...hint].length).toBeLessThanOrEqual(63);
        expect(hint.replace(/\.\.\.$/, '').split(' ').length).toBeLessThanOrEqual(6);
        expect(hint).not.toMatch(/[\p{Cc}\n]/u);
        expect([...head].length).toBeLessThanOrEqual(60);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a hint', () => {
  it.each([
    ['one two three four five six', 'one two three four five six', 'one'],
    ['one two three four five six seven', 'one two three four five six...', 'one'],
    ['one two three four five six ', 'one two three four five six', 'one'],
    ['one two three four five six  seven', 'one two three four five six...', 'one'],
    [`${'y'.repeat(30)} ${'z'.repeat(30)} x`, `${'y'.repeat(30)} ${'z'.repeat(29)}...`, 'y'.repeat(30)],
    ['one ', 'one', 'one'],
    ['  padded   words ', 'padded words', 'padded'],
    ['x'.repeat(60), 'x'.repeat(60), 'x'.repeat(60)],
    ['x'.repeat(61), `${'x'.repeat(60)}...`, 'x'.repeat(60)],
    [`${'x'.repeat(59)} yy`, `${'x'.repeat(59)}...`, 'x'.repeat(59)],
    ['👍'.repeat(61), `${'👍'.repeat(60)}...`, '👍'.repeat(60)],
    ['bell\u0007 and\u001b[31m red', 'bell and [31m red', 'bell'],
    ['right\u202eleft', 'right left', 'right'],
    ['', '', ''],
    [' \n ', '', ''],
  ])('of %j', (text, hint, head) => expect(summariseText(text)).toEqual({ hint, head }));

  it.each(['sk-kimi-abcdefghij0123456789', 'Bearer abcdefghijklmnop', `my key: sk-${'k'.repeat(80)}`])(
    'never shows a credential: %s',
    (text) => {
      const { hint, head } = summariseText(text);
      expect(`${hint} ${head}`).not.toMatch(/abcdefghij|kkkk/);
    },
  );
});
