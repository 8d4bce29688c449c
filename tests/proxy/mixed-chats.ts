import { type Agent, type IncomingMessage, request as startRequest } from 'node:http';
import { createGunzip } from 'node:zlib';
import type { Simulator } from '../../src/simulator/simulator.ts';

/** How far a request gets. */
export type Ending =
  /** Answered to the end. */
  | { readonly kind: 'whole' }
  /** The upstream falls silent after so many events; the client leaves when it has read them. */
  | { readonly kind: 'leaves'; readonly afterEvents: number }
  /** The client leaves before the upstream has begun to answer. */
  | { readonly kind: 'leaves-early' }
  /** An error event ends the stream after so many events. */
  | { readonly kind: 'error-event'; readonly afterEvents: number }
  /** This account refuses, should it be asked; another serves. */
  | { readonly kind: 'refused'; readonly how: 'internal' | 'overloaded' | 'rate_limited'; readonly by: string }
  /** The upstream finds fault with the request. */
  | { readonly kind: 'bad-request' };

export type MixedChat = {
  readonly endpoint: '/chat/completions' | '/messages';
  readonly body: Record<string, unknown>;
  readonly headers: Readonly<Record<string, string>>;
  /** The name its client has for its session; null when it names none. */
  readonly session: string | null;
  readonly ending: Ending;
};

/** Deltas of an answer: an OpenAI stream has 10 events, its usage, and the end; an Anthropic one says its output in the 15th of 16. */
export const BEHAVIOUR = { gzip: true, chunks: 6, reasoningChunks: 2, statesReasoning: true };
/** After the head, the first event, the first delta; before and after the usage of each protocol. */
const LEAVE_AFTER = [0, 1, 2, 10, 11, 14, 15] as const;
const ERROR_AFTER = 5;
const MODELS = ['k3', 'k3-256k', 'kimi-for-coding', 'kimi-for-coding-highspeed'];
export const SESSIONS = 40;
export const ACCOUNTS = ['a', 'b', 'c'] as const;

/** The n-th of many mixed chats: both protocols, streamed or whole, compressed or not, named or nameless sessions, all endings. */
export function mixedChat(n: number): MixedChat {
  const endpoint = n % 2 === 0 ? '/chat/completions' : '/messages';
  const ending = endingOf(n);
  const stream = n % 3 !== 0 || ending.kind === 'leaves' || ending.kind === 'error-event';
  const session = n % 7 === 0 ? null : `session-${(n * 13) % SESSIONS}`;
  const inHeader = n % 5 === 0;
  return {
    endpoint,
    session,
    ending,
    headers: {
      'content-type': 'application/json',
      'x-test-id': String(n),
      'x-test-ending': nameOf(ending),
      ...(n % 11 < 5 ? { 'accept-encoding': 'gzip' } : {}),
      ...(session !== null && inHeader ? { 'x-claude-code-session-id': session } : {}),
    },
    body: {
      model: MODELS[(n % 11) % MODELS.length],
      messages: [{ role: 'user', content: `"usage":{"prompt_tokens":1} ${'é'.repeat((n * 37) % 900)}` }],
      ...(session === null ? {} : endpoint === '/messages' ? { metadata: { user_id: session } } : { prompt_cache_key: session }),
      ...(stream ? { stream: true } : {}),
      // One stream in six is not asked for its usage.
      ...(stream && endpoint !== '/messages' && n % 6 !== 4 ? { stream_options: { include_usage: true } } : {}),
    },
  };
}

function endingOf(n: number): Ending {
  const place = n % 100;
  if (place % 14 === 13) return { kind: 'leaves', afterEvents: LEAVE_AFTER[Math.floor(n / 14) % LEAVE_AFTER.length] ?? 0 };
  if (place % 33 === 5) return { kind: 'leaves-early' };
  if (place % 25 === 8) return { kind: 'error-event', afterEvents: ERROR_AFTER };
  const by = ACCOUNTS[Math.floor(n / 100) % ACCOUNTS.length] ?? 'a';
  if (place % 50 === 11) return { kind: 'refused', how: 'internal', by };
  if (place === 44) return { kind: 'refused', how: 'overloaded', by };
  if (place === 66) return { kind: 'refused', how: 'rate_limited', by };
  return place === 77 ? { kind: 'bad-request' } : { kind: 'whole' };
}

function nameOf(ending: Ending): string {
  switch (ending.kind) {
    case 'leaves':
    case 'error-event':
      return `${ending.kind}-${ending.afterEvents}`;
    case 'refused':
      return `${ending.how}-${ending.by}`;
    default:
      return ending.kind;
  }
}

/** Tells the senders when the upstream has got their request. */
export type Arrivals = { readonly of: (id: string) => Promise<void> };

/** Makes the accounts behave as the requests' `x-test-ending` says. */
export function planEndings(simulator: Simulator): Arrivals {
  const waiting = new Map<string, () => void>();
  const is = (ending: string) => ({ when: (headers: Readonly<Record<string, unknown>>) => headers['x-test-ending'] === ending });
  for (const name of ACCOUNTS) {
    const account = simulator.account(name);
    for (const n of LEAVE_AFTER) account.fail('hang', { inStreamAfterChunks: n, ...is(`leaves-${n}`) });
    account.fail('internal', { inStreamAfterChunks: ERROR_AFTER, ...is(`error-event-${ERROR_AFTER}`) });
    account.fail('content_filter', is('bad-request'));
    account.fail('hang', {
      when(headers) {
        if (headers['x-test-ending'] !== 'leaves-early') return false;
        waiting.get(String(headers['x-test-id']))?.();
        return true;
      },
    });
    account.fail('internal', is(`internal-${name}`));
    // Not more often: an overloaded account is asked again and again, one that is rate limited is on cooldown for longer and longer.
    account.fail('overloaded', { times: 2, ...is(`overloaded-${name}`) });
    account.fail('rate_limited', { times: 1, ...is(`rate_limited-${name}`) });
  }
  return { of: (id) => new Promise((resolve) => waiting.set(id, resolve)) };
}

/** Sends the chat and leaves where its ending says. Comes back with the status, or null when the client left before there was one. */
export async function sendMixed(url: string, agent: Agent, chat: MixedChat, arrivals: Arrivals): Promise<number | null> {
  const { body, endpoint, ending, headers } = chat;
  const outgoing = startRequest(url + endpoint, { method: 'POST', agent, headers });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
  });
  response.catch(() => undefined);
  if (ending.kind === 'leaves-early') {
    const arrived = arrivals.of(headers['x-test-id'] ?? '');
    outgoing.end(JSON.stringify(body));
    await arrived;
    outgoing.destroy();
    return null;
  }
  outgoing.end(JSON.stringify(body));
  const answer = await response;
  const leaveAfter = ending.kind === 'leaves' ? ending.afterEvents : Number.POSITIVE_INFINITY;
  await readEvents(answer, leaveAfter, () => outgoing.destroy());
  return answer.statusCode ?? null;
}

/** Reads to the end, or until `count` events have come; then leaves. */
function readEvents(answer: IncomingMessage, count: number, leave: () => void): Promise<void> {
  return new Promise((resolve) => {
    let text = '';
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.split('\n\n').length - 1 >= count) leave();
    };
    answer.on('error', () => undefined);
    answer.once('close', resolve);
    if (count === 0) leave();
    else if (answer.headers['content-encoding'] === 'gzip') {
      const gunzip = createGunzip().on('data', take);
      // The end of a stream that was left is missing.
      gunzip.on('error', () => undefined);
      answer.pipe(gunzip);
    } else answer.on('data', take);
  });
}
