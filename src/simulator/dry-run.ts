import type { Clock } from '../core/text/time.ts';
import { SimulatedAccount } from './account.ts';
import { type Answer, answerError, type Question, wholeText } from './answer.ts';
import type { Chat } from './chat.ts';
import { ERRORS } from './errors.ts';
import { inflate } from './inflate.ts';
import { answerPlain } from './plain.ts';
import { parseObject, parsePrompt } from './prompt.ts';
import { renderChat } from './reply.ts';
import { findRoute, protocolOf } from './routes.ts';

/** A request that would have gone to the upstream. */
export type DryRunRequest = {
  readonly method: string;
  /** Below the base URL. */
  readonly endpoint: string;
  readonly body: Buffer;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly accept: string | undefined;
  /** The key that would have served it. */
  readonly keyLabel: string;
};

/** An answer ready to go; `parts` leave one by one. */
export type DryRunAnswer = {
  readonly status: number;
  readonly headers: readonly string[];
  readonly parts: readonly (string | Buffer)[];
};

/** What answers in dry-run: as the API would, in the client's protocol, except that the text says that nothing was sent. */
export function createDryRun(clock: Clock): (request: DryRunRequest) => DryRunAnswer {
  const account = new SimulatedAccount({ name: 'dry-run', keys: [] }, {}, clock, () => undefined);
  let chats = 0;
  return (request) => {
    const now = clock();
    const body = inflate(request.body, request.contentEncoding);
    const { method, endpoint, accept, contentType, keyLabel } = request;
    const protocol = protocolOf(endpoint);
    const question: Question = {
      route: findRoute(method === 'HEAD' ? 'GET' : method, endpoint, ''),
      protocol,
      body,
      accept,
      contentType,
      userAgent: undefined,
      now,
    };
    const text = sentences(keyLabel);
    switch (question.route) {
      case 'chat':
      case 'messages':
      case 'responses': {
        const prompt = parsePrompt(body);
        if (prompt === null) return ready(answerError(ERRORS.invalid_request, protocol));
        chats += 1;
        const chat: Chat = {
          account: 'dry-run',
          number: chats,
          model: prompt.model,
          created: Math.floor(now / 1000),
          includeUsage: prompt.includeUsage,
          promptTokens: prompt.tokens,
          cachedTokens: 0,
          reasoning: [],
          content: wantsJson(body) ? [JSON.stringify({ message: text })] : text.split(/(?= )/),
          statesReasoning: false,
        };
        return ready(renderChat(question.route, chat, prompt.stream));
      }
      // Nothing was looked for or fetched, and the answer must not read as if it was.
      case 'search':
        return ready(
          wholeText(JSON.stringify({ search_results: [{ title: 'kmi is in dry-run', url: '', snippet: text, content: text }] })),
        );
      case 'fetch':
        return ready(
          accept?.includes('text/markdown') === true
            ? wholeText(`${text}\n`, 200, 'text/markdown; charset=utf-8')
            : wholeText(JSON.stringify({ url: parseObject(body)?.url ?? '', content: text })),
        );
      default:
        return ready(answerPlain(account, question));
    }
  };
}

function sentences(keyLabel: string): string {
  return `This is kmi in dry-run. Nothing was sent. Live, the key ${keyLabel} would have served this request; \`kmi init --live\` goes live.`;
}

/** A client that asked for a JSON object parses the text. */
function wantsJson(body: Buffer): boolean {
  const request = parseObject(body);
  const format = (request?.response_format ?? (request?.text as { format?: unknown } | undefined)?.format) as
    | { type?: unknown }
    | undefined;
  return typeof format?.type === 'string' && format.type.startsWith('json');
}

function ready({ status, headers, body }: Answer): DryRunAnswer {
  if (body.kind === 'stream') return { status, headers, parts: body.events };
  return { status, headers: [...headers, 'content-length', String(body.bytes.length)], parts: [body.bytes] };
}
