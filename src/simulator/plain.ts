import type { SimulatedAccount } from './account.ts';
import { type Answer, answerError, type Question, wholeText } from './answer.ts';
import { ERRORS, renderError, type UpstreamError } from './errors.ts';
import { renderModels } from './models.ts';
import { parseObject, parsePrompt } from './prompt.ts';
import { renderUsages } from './usages.ts';

/** Answers whatever is no chat: costs nothing, changes nothing but the number of the next file. */
export function answerPlain(account: SimulatedAccount, question: Question): Answer {
  const { body, now, protocol } = question;
  switch (question.route) {
    case 'count_tokens': {
      const prompt = parsePrompt(body);
      return prompt === null
        ? answerError(ERRORS.invalid_request, protocol)
        : wholeText(JSON.stringify({ input_tokens: prompt.tokens }));
    }
    case 'models':
      return wholeText(renderModels(account.models, account.behaviour.modelProtocol));
    case 'usages':
      return answerUsages(account, now);
    case 'me':
      return wholeText(renderMe(account));
    case 'files':
      return wholeText(renderFile(account, question));
    case 'search':
      return wholeText(renderSearch(account, textField(body, 'text_query')));
    case 'fetch':
      return answerFetch(account, textField(body, 'url'), question.accept);
    case 'client_configs':
    case 'resource_configs':
      return answerConfig(body);
    default:
      return answerError(ERRORS.method_not_found, protocol);
  }
}

function answerUsages(account: SimulatedAccount, now: number): Answer {
  const fault = account.behaviour.usagesFault;
  if (fault === null) return wholeText(renderUsages(account, now));
  const { status, contentType = 'application/json' } = fault;
  const error: UpstreamError = { status, type: 'server_error', message: `usages failed with ${status}` };
  return wholeText(fault.body ?? renderError(error, 'openai'), status, contentType);
}

/** `GET /me`: `user_id` tells which keys are one account (docs/kimi-api.md#me). */
function renderMe(account: SimulatedAccount): string {
  const { userId, nickname, email, plan } = account.profile;
  return JSON.stringify({ user_id: userId, nickname, email, user_level_name: plan, region: 'REGION_CN' });
}

function renderFile(account: SimulatedAccount, question: Question): string {
  const text = question.body.toString('latin1');
  const filename = /filename="([^"]*)"/.exec(text)?.[1] ?? 'upload';
  const purpose = /name="purpose"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)/.exec(text)?.[1] ?? 'video';
  return JSON.stringify({
    id: account.takeFile(),
    object: 'file',
    bytes: question.body.length,
    created_at: Math.floor(question.now / 1000),
    filename,
    purpose,
    status: 'ready',
  });
}

function renderSearch(account: SimulatedAccount, query: string): string {
  const result = {
    site_name: 'Example',
    title: `About ${query}`,
    url: `https://example.test/?q=${encodeURIComponent(query)}`,
    snippet: `Account ${account.name} found this for "${query}".`,
    content: '',
    date: '',
    icon: '',
    mime: 'text/html',
  };
  return JSON.stringify({ search_results: [result] });
}

function answerFetch(account: SimulatedAccount, url: string, accept: string | undefined): Answer {
  const markdown = `# Page\n\nAccount ${account.name} fetched ${url}.\n`;
  if (accept?.includes('text/markdown')) return wholeText(markdown, 200, 'text/markdown; charset=utf-8');
  return wholeText(JSON.stringify({ url, content: markdown }));
}

/** A named config with nothing in it: the client goes by its own values. */
function answerConfig(body: Buffer): Answer {
  return wholeText(JSON.stringify({ name: textField(body, 'name'), config: {} }));
}

/** Answers a request without a valid key; only what clients send without one is served (docs/kimi-api.md#endpoints). */
export function answerStranger({ body, protocol, route }: Pick<Question, 'body' | 'protocol' | 'route'>): Answer {
  return route === 'resource_configs' ? answerConfig(body) : answerError(ERRORS.invalid_key, protocol);
}

function textField(body: Buffer, name: string): string {
  const value = parseObject(body)?.[name];
  return typeof value === 'string' ? value : '';
}
