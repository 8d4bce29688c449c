import type { SimulatedAccount } from './account.ts';
import { type Answer, answerError, type Question, wholeBytes, wholeText } from './answer.ts';
import { renderMessage, renderMessageStream } from './anthropic.ts';
import { acceptChat, type Chat, refusalOf } from './chat.ts';
import { ERRORS, type Protocol, renderErrorEvent, type UpstreamError } from './errors.ts';
import { renderCompletion, renderCompletionStream } from './openai.ts';
import { answerPlain } from './plain.ts';
import { parsePrompt } from './prompt.ts';
import { renderResponse, renderResponseStream } from './responses.ts';
import { isCodingAgent } from './routes.ts';

/** An answer, and the chat behind it when the account took one on. */
export type Reply = { readonly answer: Answer; readonly chat: Chat | null };

/** Answers a question in the account's name; a chat is charged to it. */
export function answerQuestion(account: SimulatedAccount, question: Question): Reply {
  switch (question.route) {
    case 'chat':
    case 'messages':
    case 'responses':
      return answerChat(account, question);
    default:
      return { answer: answerPlain(account, question), chat: null };
  }
}

/** The same chat, broken by an error event after `chunks` events. A chat that is not streamed is answered with the error. */
export function breakStream(answer: Answer, error: UpstreamError, chunks: number, protocol: Protocol): Answer {
  if (answer.body.kind !== 'stream') return answerError(error, protocol);
  const events = [...answer.body.events.slice(0, chunks), renderErrorEvent(error, protocol)];
  return { ...answer, body: { kind: 'stream', events } };
}

function answerChat(account: SimulatedAccount, question: Question): Reply {
  const { protocol, body, now } = question;
  const route = question.route as ChatRoute;
  const refuse = (error: UpstreamError): Reply => ({ answer: answerError(error, protocol), chat: null });
  if (route === 'chat' && account.behaviour.enforceUserAgent && !isCodingAgent(question.userAgent)) {
    return refuse(ERRORS.not_coding_agent);
  }
  if (account.behaviour.echo) return { answer: wholeBytes(body, question.contentType), chat: null };
  const prompt = parsePrompt(body);
  if (prompt === null) return refuse(ERRORS.invalid_request);
  const refusal = refusalOf(account, prompt, body.length, now);
  if (refusal !== null) return refuse(refusal);
  const chat = acceptChat(account, prompt, now);
  return { answer: renderChat(route, chat, prompt.stream), chat };
}

type ChatRoute = 'chat' | 'messages' | 'responses';

const RENDERERS: Record<ChatRoute, { whole(chat: Chat): string; stream(chat: Chat): string[] }> = {
  chat: { whole: renderCompletion, stream: renderCompletionStream },
  messages: { whole: renderMessage, stream: renderMessageStream },
  responses: { whole: renderResponse, stream: renderResponseStream },
};

/** A chat in the form of its protocol, whole or as a stream of events. */
export function renderChat(route: ChatRoute, chat: Chat, stream: boolean): Answer {
  if (!stream) return wholeText(RENDERERS[route].whole(chat));
  const headers = ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache'];
  return { status: 200, headers, body: { kind: 'stream', events: RENDERERS[route].stream(chat) } };
}
