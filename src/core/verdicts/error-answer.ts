import { isRecord, parseJson } from '../json/json-value.ts';

/**
 * In which form an error answer came, which tells whose it is. The API speaks in an `envelope`. `plain` text may be its own;
 * `json` of another shape is a gateway's on the way, unless its words are known to be the API's. `bare`: it says no more than
 * its status. `page`: a sign-in page, a proxy's or a gateway's, whatever its status.
 */
export type AnswerForm = 'envelope' | 'plain' | 'json' | 'bare' | 'page';

/** What is known of an upstream answer when it is judged. */
export type Answer = {
  readonly status: number;
  readonly form: AnswerForm;
  /** `error.type` or `error.code`, lower case; empty when there is none. */
  readonly type: string;
  /** `error.message`, or the whole body when it is no error envelope; lower case. */
  readonly message: string;
};

/** What the head of an answer tells of its form. Absent: not said. */
export type AnswerHead = {
  readonly contentType?: string | undefined;
  /** `WWW-Authenticate`. */
  readonly challenge?: string | undefined;
};

/**
 * The form, type and message of an error body: OpenAI's `{"error":{"message","type","code"}}`, Anthropic's
 * `{"type":"error","error":{"type","message"}}`, `{"message","code"}` or `{"detail"}`, lower case; any other text stands as
 * the message.
 */
export function parseErrorBody(status: number, text: string, head: AnswerHead = {}): Answer {
  const body = text.replace(/^\uFEFF/, '').trim();
  const parsed = parseJson(body);
  const error = isRecord(parsed) ? (isRecord(parsed.error) ? parsed.error : parsed) : null;
  const message =
    error === null
      ? body
      : [error.message, parsed !== error && isRecord(parsed) ? parsed.message : undefined].filter(isString).join(' ');
  const type =
    error === null ? '' : ([error.type, error.code].find((value) => isString(value) && value !== '' && value !== 'error') ?? '');
  return {
    status,
    form: formOf(status, body, parsed, head),
    type: String(type).slice(0, TYPE_MAX).toLowerCase(),
    message: (message === '' ? body : message).slice(0, MESSAGE_MAX).toLowerCase(),
  };
}

const MESSAGE_MAX = 4096;
const TYPE_MAX = 128;

/** 407: a proxy wants a login; 511: a network does (RFC 6585 section 6). Never the API's. */
const STATUSES_OF_NETWORKS = [407, 511];
/** The API asks for a bearer token; another scheme comes from something in between. */
const CHALLENGE_OF_ANOTHER = /^\s*(?:basic|digest|negotiate|ntlm|kerberos)\b/i;
const MARKUP_TYPE = /^\s*(?:text\/html|text\/xml|application\/(?:xhtml\+)?xml)\b/i;
/** What networks and proxies say of themselves. */
const WORDS_OF_NETWORKS =
  /\bproxy\b|\bfirewall\b|\bcaptive\b|\bportal\b|\bnetwork\b|\bwi-?fi\b|\bhotspot\b|\b(?:sign|log)[ -]?(?:in|on)\b|\bweb ?filter|\bblocked by\b|\bcorporate\b/i;
/** The status once more, in words. */
const REPEATED_STATUS =
  /^(?:http\/\d(?:\.\d)?\s+)?(?:\d{3}\b[\s:.-]*)?(?:unauthorized|payment required|forbidden|bad request|not found|method not allowed|request timeout|too many requests|internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|error)?[.!]?$/i;

function formOf(status: number, body: string, parsed: unknown, { contentType = '', challenge = '' }: AnswerHead): AnswerForm {
  if (STATUSES_OF_NETWORKS.includes(status)) return 'page';
  if (isEnvelope(parsed)) return 'envelope';
  if (body.startsWith('<') || MARKUP_TYPE.test(contentType) || CHALLENGE_OF_ANOTHER.test(challenge)) return 'page';
  if (body.length <= REPEATED_MAX && REPEATED_STATUS.test(body)) return 'bare';
  if (WORDS_OF_NETWORKS.test(body.slice(0, MESSAGE_MAX))) return 'page';
  return parsed === undefined ? 'plain' : 'json';
}

const REPEATED_MAX = 60;

function isEnvelope(parsed: unknown): boolean {
  if (!isRecord(parsed)) return false;
  const { error, message, type, code, detail } = parsed;
  if (isRecord(error)) return [error.message, error.type, error.code].some(isString);
  return (isString(message) && (isString(type) || isString(code))) || isString(detail) || Array.isArray(detail);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

const HOUR_MS = 3_600_000;

/** The length of the quota window a refusal names; null when it names none. */
export function namedWindowMs(message: string): number | null {
  const hours = /\b(\d{1,3})-hour\)? usage limit/.exec(message)?.[1];
  if (hours !== undefined) return Math.max(Number(hours), 1) * HOUR_MS;
  if (/weekly|7-day/.test(message)) return 7 * 24 * HOUR_MS;
  return /monthly|billing cycle/.test(message) ? 31 * 24 * HOUR_MS : null;
}
