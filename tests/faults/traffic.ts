import { Agent } from 'node:http';
import { type Answer, send } from '../support/http-client.ts';

/** A chat as a client sends it: which protocol, streamed or whole. */
export type Chat = { readonly protocol: 'openai' | 'anthropic'; readonly stream: boolean; readonly mark: string };

export function bodyOf({ stream, mark }: Chat): string {
  return JSON.stringify({
    model: 'kimi-for-coding',
    max_tokens: 100,
    stream,
    messages: [{ role: 'user', content: `Say hello to ${mark}` }],
  });
}

function pathOf({ protocol }: Chat): string {
  return protocol === 'openai' ? '/chat/completions' : '/messages';
}

/** Keeps its connections, as agents do. */
export function newAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
}

export function sendChat(
  url: string,
  chat: Chat,
  agent?: Agent,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return send(url + pathOf(chat), {
    headers: { 'content-type': 'application/json', ...headers },
    body: bodyOf(chat),
    ...(agent === undefined ? {} : { agent }),
  });
}

/** Whose answer it is, which of that account's, or what is wrong with it: an error, or a byte lost, doubled or out of order. */
export type Reading = { readonly account: string; readonly number: number } | { readonly problem: string };

/** Checks an answer word for word against what the simulator says; `chunks` is the number of its content deltas. */
export function readChat(answer: Answer, { protocol, stream }: Chat, chunks = 6): Reading {
  if (answer.status !== 200) return { problem: `${answer.status} ${answer.error ?? answer.text.slice(0, 300)}` };
  if (answer.error !== null) return { problem: `broken: ${answer.error}` };
  try {
    const { id, text, isWhole } = stream ? readEvents(answer.text, protocol) : readWhole(answer.text, protocol);
    const [, account = '', number = ''] = /^(?:chatcmpl-|msg_)(.+)[-_](\d+)$/.exec(id) ?? [];
    const words = `Hello from account ${account}, request ${number}.`.split(' ');
    const expected = Array.from({ length: chunks }, (_, n) => words[n % words.length]).join(' ');
    if (text !== expected || !isWhole) return { problem: `not what was said: ${answer.text.slice(0, 2000)}` };
    return { account, number: Number(number) };
  } catch (error) {
    return { problem: `unreadable (${String(error)}): ${answer.text.slice(0, 500)}` };
  }
}

type Content = { readonly id: string; readonly text: string; readonly isWhole: boolean };

function readWhole(text: string, protocol: Chat['protocol']): Content {
  const value = JSON.parse(text);
  return { id: value.id, text: protocol === 'openai' ? value.choices[0].message.content : value.content[0].text, isWhole: true };
}

function readEvents(text: string, protocol: Chat['protocol']): Content {
  const events = text.split('\n\n').slice(0, -1);
  const data = events.map((event) => event.slice(event.indexOf('data: ') + 6));
  if (protocol === 'openai') {
    const isWhole = data.at(-1) === '[DONE]' && data.indexOf('[DONE]') === data.length - 1;
    const chunks = data.slice(0, -1).map((line) => JSON.parse(line));
    return { id: chunks[0].id, text: chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), isWhole };
  }
  const parsed = data.map((line) => JSON.parse(line));
  const isWhole = parsed.filter(({ type }) => type === 'message_stop').length === 1 && parsed.at(-1).type === 'message_stop';
  return { id: parsed[0].message.id, text: parsed.map(({ delta }) => delta?.text ?? '').join(''), isWhole };
}

/** Runs `one` for 0 … count-1, at most `width` at a time. */
export async function inParallel(count: number, width: number, one: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const n = next;
      next += 1;
      await one(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
}
