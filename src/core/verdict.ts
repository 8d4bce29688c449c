import { isRecord } from './json-value.ts';

/** What an upstream answer says about the key that got it. One class, one consequence. */
export type VerdictClass =
  | 'served'
  | 'caller'
  | 'bad-key'
  | 'no-model'
  | 'unpaid'
  | 'quota'
  | 'rate'
  | 'overloaded'
  | 'broken'
  | 'refused'
  | 'banned';

/** Where a request goes after an answer of a class. */
export type Next = 'relay' | 'next-key' | 'same-key';

/**
 * What follows from each class. `blame` says who is put away: nobody, the key, its account, or the
 * key only if another key serves the same request (`if-others-work`), so that an outage never puts every key away.
 */
export const CONSEQUENCES: Readonly<
  Record<VerdictClass, { readonly next: Next; readonly blame: 'nobody' | 'key' | 'account' | 'if-others-work' }>
> = {
  served: { next: 'relay', blame: 'nobody' },
  caller: { next: 'relay', blame: 'nobody' },
  'bad-key': { next: 'next-key', blame: 'key' },
  'no-model': { next: 'next-key', blame: 'nobody' },
  unpaid: { next: 'next-key', blame: 'account' },
  quota: { next: 'next-key', blame: 'account' },
  rate: { next: 'next-key', blame: 'account' },
  overloaded: { next: 'same-key', blame: 'nobody' },
  broken: { next: 'next-key', blame: 'if-others-work' },
  refused: { next: 'next-key', blame: 'if-others-work' },
  banned: { next: 'next-key', blame: 'account' },
};

/** What is known of an upstream answer when it is judged. */
export type Answer = {
  readonly status: number;
  /** `error.type` or `error.code`, lower case; empty when there is none. */
  readonly type: string;
  /** `error.message`, or the whole body when it is no error envelope; lower case. */
  readonly message: string;
};

type Rule = {
  readonly class: VerdictClass;
  /** Statuses the row is for; null for any ≥ 400. */
  readonly statuses: readonly number[] | null;
  /** The row matches when the type is one of these, or the message matches; with neither, the status is enough. */
  readonly types?: readonly string[];
  readonly message?: RegExp;
};

/**
 * Most specific first; the first row that matches decides. The texts are those of docs/kimi-api.md#errors: the upstream
 * gives one status many meanings, so the message decides and the status is the fallback at the end.
 */
export const RULES: readonly Rule[] = [
  // About the request or the client, whatever the status: no key can change it.
  { class: 'caller', statuses: [403], message: /only available for coding agents/ },
  { class: 'caller', statuses: [400, 403, 422], types: ['content_filter'], message: /high risk|content.?filter/ },
  {
    class: 'caller',
    statuses: [400, 404, 413, 422],
    message:
      /exceeds limit \d|exceeded model token limit|total message size|reasoning_content is missing|tool_call_id|duplicated? function|invalid temperature|not found the model|method not found/,
  },

  // About the account for good, or until a person acts.
  {
    class: 'banned',
    statuses: [401, 403, 429],
    message: /access terminated.*community guidelines|community guidelines.*access terminated/s,
  },
  {
    class: 'no-model',
    statuses: [400, 401, 403, 404],
    message: /subscription does not have access to|plan supports only|model id does not exist, recognized as/,
  },
  { class: 'unpaid', statuses: [401, 402, 403], message: /does not have access to kimi code|unable to verify your membership/ },

  // Used up, until a window resets.
  {
    class: 'quota',
    statuses: [402, 403, 429],
    types: ['exceeded_current_quota_error'],
    message:
      /usage limit for this (?:period|billing cycle)|\d+-hour\)? usage limit|(?:weekly|7-day|monthly)[^.]{0,20} usage limit|exceeded your current[^.]*quota|credit balance is insufficient|suspended due to insufficient balance/,
  },

  // Momentary.
  {
    class: 'overloaded',
    statuses: [429, 500, 502, 503, 529],
    types: ['engine_overloaded_error', 'overloaded_error'],
    message: /engine is (?:currently )?overloaded/,
  },
  {
    class: 'rate',
    statuses: [403, 429],
    types: ['rate_limit_reached_error'],
    message:
      /concurrent request limit|wait for your ongoing requests|too many requests|max (?:rpm|tpm|concurrency)|(?:rpm|tpm|tpd) rate limit/,
  },

  // Unpaid, by words. Strong ones mean money wherever they stand; weak ones also stand in texts about a request
  // (tools named "get_plan" or "billing.list"), so a 400 that calls itself an invalid request is not searched for them.
  {
    class: 'unpaid',
    statuses: [400, 403],
    message: /insufficient[ _](?:quota|balance|credits?)|余额不足|请充值|欠费|未付费|未支付/,
  },
  { class: 'caller', statuses: [400], types: ['invalid_request_error', 'invalid_request'], message: /^invalid request/ },
  {
    class: 'unpaid',
    statuses: [400, 403],
    message: /billing|recharge|top[ -]?up|\b(?:balance|credits?|subscriptions?|plans?|payment)\b|充值|订阅|套餐/,
  },

  // By status alone.
  { class: 'bad-key', statuses: [401] },
  { class: 'unpaid', statuses: [402] },
  { class: 'refused', statuses: [403] },
  { class: 'rate', statuses: [429] },
  { class: 'broken', statuses: [408, 499] },
];

/** The class of an upstream answer. Statuses under 400 are served, other 4xx the caller's, 5xx the upstream's. */
export function judge(answer: Answer): VerdictClass {
  if (answer.status < 400) return 'served';
  for (const rule of RULES) {
    if (matches(rule, answer)) return rule.class;
  }
  return answer.status >= 500 ? 'broken' : 'caller';
}

function matches(rule: Rule, answer: Answer): boolean {
  if (rule.statuses !== null && !rule.statuses.includes(answer.status)) return false;
  if (rule.types === undefined && rule.message === undefined) return true;
  return (rule.types?.includes(answer.type) ?? false) || (rule.message?.test(answer.message) ?? false);
}

/**
 * The type and message of an error body, in OpenAI's `{"error":{"message","type","code"}}` or Anthropic's
 * `{"type":"error","error":{"type","message"}}` envelope, lower case; any other text stands as the message.
 */
export function parseErrorBody(status: number, text: string): Answer {
  const parsed = parseJson(text);
  const error = isRecord(parsed) ? (isRecord(parsed.error) ? parsed.error : parsed) : null;
  const message =
    error === null
      ? text
      : [error.message, parsed !== error && isRecord(parsed) ? parsed.message : undefined].filter(isString).join(' ');
  const type =
    error === null ? '' : ([error.type, error.code].find((value) => isString(value) && value !== '' && value !== 'error') ?? '');
  return {
    status,
    type: String(type).slice(0, TYPE_MAX).toLowerCase(),
    message: (message === '' ? text : message).slice(0, MESSAGE_MAX).toLowerCase(),
  };
}

const MESSAGE_MAX = 4096;
const TYPE_MAX = 128;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}
