import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KnownPlaces } from '../../../src/core/json/top-level-member.ts';
import { findSession, formatSession, type Session, sessionOfUser } from '../../../src/core/sessions/session.ts';
import { hashText } from '../../../src/core/sessions/session-hash.ts';
import { headerOf } from '../../../src/core/text/raw-headers.ts';

const NO_HEADER = () => undefined;

const ID = '5b0c6a2e-62c1-4f2f-9df5-6a2f0e7b1c11';
const LONG = Array.from({ length: 60 }, (_, n) => ({
  role: n % 2 ? 'assistant' : 'user',
  content: `line ${n} "quoted"\n`.repeat(40),
}));
const TOOLS = Array.from({ length: 30 }, (_, n) => ({
  type: 'function',
  function: { name: `t${n}`, description: 'x'.repeat(300) },
}));

function sessionOf(body: unknown, headers: readonly string[] = [], places = new KnownPlaces()): Session | null {
  return findSession((name) => headerOf(headers, name), [Buffer.from(JSON.stringify(body))], places);
}

describe('the session of a request', () => {
  it.each([
    ['x-claude-code-session-id', ['X-Claude-Code-Session-Id', ID]],
    ['x-session-affinity', ['x-session-affinity', ID]],
    ['session-id', ['Session-Id', ID]],
    ['session_id', ['Session_Id', ID]],
    ['x-session-id', ['X-Session-ID', ID]],
  ])('comes from the header %s', (_, headers) => {
    expect(sessionOf({ prompt_cache_key: 'other' }, headers)).toEqual({ id: hashText(ID), source: 'header' });
  });

  it('prefers the headers in their order', () => {
    expect(sessionOf({}, ['x-session-id', 'b', 'x-claude-code-session-id', 'a'])?.id).toBe(hashText('a'));
  });

  it.each([
    ['first', { prompt_cache_key: ID, messages: LONG, tools: TOOLS }],
    ['last', { messages: LONG, tools: TOOLS, stream: true, prompt_cache_key: ID }],
    ['between messages and tools', { messages: LONG, model: 'k', prompt_cache_key: ID, stream: true, tools: TOOLS }],
    ['in a small body', { prompt_cache_key: ID }],
  ])('is the prompt_cache_key that stands %s', (_, body) => {
    expect(sessionOf(body)).toEqual({ id: hashText(ID), source: 'prompt_cache_key' });
  });

  it('takes no member of the same name from inside tools, calls or texts', () => {
    const call = {
      role: 'assistant',
      content: [{ type: 'tool_use', input: { prompt_cache_key: 'nested', metadata: { user_id: 'x' } } }],
    };
    const text = { role: 'user', content: '"prompt_cache_key":"in a text"' };
    const schema = {
      name: 't',
      parameters: { properties: { prompt_cache_key: { type: 'string' } }, example: { prompt_cache_key: 'n' } },
    };
    expect(sessionOf({ messages: [text, call], prompt_cache_key: ID, tools: [schema, ...TOOLS] })?.id).toBe(hashText(ID));
    expect(sessionOf({ messages: [text, call], tools: [schema] })?.source).toBe('head');
    expect(sessionOf({ messages: [text, call, ...LONG], tools: [schema, ...TOOLS] })?.source).toBe('head');
  });

  it.each([
    [`user_${'a'.repeat(64)}_account_${ID}_session_${ID}`, ID],
    [JSON.stringify({ device_id: 'd', account_uuid: 'a', session_id: ID }), ID],
    ['kimi-code-session', 'kimi-code-session'],
  ])('is the session inside metadata.user_id %s', (user, session) => {
    expect(sessionOfUser(user)).toBe(session);
    expect(sessionOf({ messages: LONG, tools: TOOLS, metadata: { user_id: user }, stream: true })).toEqual({
      id: hashText(session),
      source: 'user_id',
    });
    expect(sessionOf({ messages: LONG, metadata: { user_id: user }, tools: TOOLS })?.id).toBe(hashText(session));
  });

  it('finds the same session where it stood before and wherever the body was cut into chunks', () => {
    const places = new KnownPlaces();
    const bytes = Buffer.from(JSON.stringify({ messages: LONG, prompt_cache_key: ID, tools: TOOLS }, null, 1));
    const at = bytes.indexOf('prompt_cache_key');
    for (const cut of [1, at - 1, at, at + 5, at + 17, at + 25, at + 60, bytes.length - 1]) {
      for (const known of [new KnownPlaces(), places]) {
        const found = findSession(NO_HEADER, [bytes.subarray(0, cut), bytes.subarray(cut)], known);
        expect(found).toEqual({ id: hashText(ID), source: 'prompt_cache_key' });
      }
    }
    expect(sessionOf({ messages: [...LONG, ...LONG], prompt_cache_key: 'next', tools: TOOLS }, [], places)?.id).toBe(
      hashText('next'),
    );
  });

  it('agrees with a full parse for any body', () => {
    const place = new KnownPlaces();
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'metadata', 'tools', 'prompt_cache_key', 'x"y'), fc.jsonValue()), (body) => {
        const expected = body.prompt_cache_key;
        const found = findSession(NO_HEADER, [Buffer.from(JSON.stringify(body))], place);
        if (typeof expected === 'string' && expected !== '') expect(found?.source).toBe('prompt_cache_key');
        else expect(found?.source).not.toBe('prompt_cache_key');
      }),
      { numRuns: 500 },
    );
  });

  it('is not searched for far from the ends once the conversation is known by its head', () => {
    const find = (body: object, isKnown: (id: number) => boolean) =>
      findSession(NO_HEADER, [Buffer.from(JSON.stringify(body))], new KnownPlaces(), isKnown);
    const nameless = { messages: LONG, tools: TOOLS };
    const named = { messages: LONG, prompt_cache_key: ID, tools: TOOLS };
    const head = find(nameless, () => false);
    expect(head?.source).toBe('head');
    expect(find(named, () => false)).toEqual({ id: hashText(ID), source: 'prompt_cache_key' });
    expect(find(named, (id) => id === head?.id)).toEqual(head);
    expect(find(nameless, (id) => id === head?.id)).toEqual(head);
    // Near the end it costs nothing to look.
    const near = { messages: LONG, tools: TOOLS, prompt_cache_key: ID };
    expect(find(near, () => true)?.source).toBe('prompt_cache_key');
  });

  it('is read from a head of any length up to 256 KB, wherever the chunks end', () => {
    for (const kilobytes of [1, 31, 32, 33, 200, 260]) {
      const content = 'x'.repeat(kilobytes * 1024);
      const bytes = Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }, ...LONG] }));
      const whole = findSession(NO_HEADER, [bytes], new KnownPlaces());
      expect(whole?.source).toBe(kilobytes > 256 ? undefined : 'head');
      for (const cut of [100, 32 * 1024 - 1, 32 * 1024, 65_536].filter((place) => place < bytes.length)) {
        expect(findSession(NO_HEADER, [bytes.subarray(0, cut), bytes.subarray(cut)], new KnownPlaces())).toEqual(whole);
      }
    }
  });

  it('is the same for every later request of a conversation that names none', () => {
    const system = { role: 'system', content: 'You are an agent.' };
    const first = { role: 'user', content: 'Fix the "parser"\nplease.' };
    const marked = { role: 'user', content: [{ type: 'text', text: first.content, cache_control: { type: 'ephemeral' } }] };
    const one = sessionOf({ model: 'k', messages: [system, first] });
    expect(one?.source).toBe('head');
    expect(sessionOf({ model: 'k', messages: [system, first, ...LONG], tools: TOOLS })).toEqual(one);
    expect(sessionOf({ model: 'k', messages: [system, marked] })).toEqual(one);
    expect(sessionOf({ model: 'k', messages: [system, { ...first, content: 'Fix the lexer.' }] })).not.toEqual(one);
    expect(sessionOf({ model: 'k', messages: [{ ...system, content: 'You make titles.' }, first] })).not.toEqual(one);
  });

  it('reads the heads of Anthropic and Responses bodies', () => {
    expect(sessionOf({ system: [{ type: 'text', text: 's' }], messages: [{ role: 'user', content: 'hi' }] })?.source).toBe(
      'head',
    );
    expect(sessionOf({ input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }] })?.source).toBe('head');
  });

  it.each([['', 'not json', '[1]', '{}', '{"messages":[]}', '{"messages":[{"role":"user"', '{"model":"k","messages":"x"}']])(
    'is null for %s',
    (text) => {
      expect(findSession(NO_HEADER, [Buffer.from(text)], new KnownPlaces())).toBeNull();
    },
  );

  it('survives any bytes', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ':',
      ',',
      ' ',
      'prompt_cache_key"',
      '"messages"',
      'metadata"',
      'role',
      'user',
      'x',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        findSession(NO_HEADER, [Buffer.from(`{${parts.join('')}`)], new KnownPlaces());
      }),
      { numRuns: 2000 },
    );
  });

  it('has ids that spread and a short text form', () => {
    const ids = new Set(Array.from({ length: 100_000 }, (_, n) => hashText(`session-${n}`)));
    expect(ids.size).toBe(100_000);
    for (const id of ids) if (!Number.isSafeInteger(id) || id <= 0 || formatSession(id).length > 11) throw new Error(String(id));
  });
});
