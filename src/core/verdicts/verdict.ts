import type { Answer } from './error-answer.ts';

/**
 * What an upstream answer says about the key that got it. One class, one consequence. `foreign`: it is not the API's but a
 * network's or a proxy's on the way, which no key can change; `edge`: likewise, but a failure that may pass.
 */
export type VerdictClass =
  | 'served'
  | 'caller'
  /** The path takes chats of coding agents only, and this client is none it knows (docs/kimi-api.md#user-agent-gate). */
  | 'agents-only'
  | 'foreign'
  | 'edge'
  | 'bad-key'
  /** The access token is refused and its login is over for good. Never by the answer alone: the authorisation server says it. */
  | 'login-over'
  | 'no-model'
  | 'unpaid'
  | 'quota'
  | 'rate'
  | 'overloaded'
  | 'broken'
  | 'refused'
  | 'banned'
  /** A chat found nothing at its key's base URL. Never by the answer alone: that other keys are sent elsewhere makes it so. */
  | 'dead-end';

/** Where a request goes after an answer of a class. */
export type Next = 'relay' | 'next-key' | 'same-key';

/**
 * What follows from each class. `blame` says what is put on cooldown or blocked: none, the key, its account, or the
 * key only if another key serves the same request (`if-others-work`), so that an outage never takes every key.
 */
export const CONSEQUENCES: Readonly<
  Record<VerdictClass, { readonly next: Next; readonly blame: 'none' | 'key' | 'account' | 'if-others-work' }>
> = {
  served: { next: 'relay', blame: 'none' },
  caller: { next: 'relay', blame: 'none' },
  'agents-only': { next: 'relay', blame: 'none' },
  foreign: { next: 'relay', blame: 'none' },
  edge: { next: 'same-key', blame: 'none' },
  'bad-key': { next: 'next-key', blame: 'key' },
  'login-over': { next: 'next-key', blame: 'none' },
  'no-model': { next: 'next-key', blame: 'none' },
  unpaid: { next: 'next-key', blame: 'account' },
  quota: { next: 'next-key', blame: 'account' },
  rate: { next: 'next-key', blame: 'account' },
  overloaded: { next: 'same-key', blame: 'none' },
  broken: { next: 'next-key', blame: 'if-others-work' },
  refused: { next: 'next-key', blame: 'if-others-work' },
  banned: { next: 'next-key', blame: 'account' },
  'dead-end': { next: 'next-key', blame: 'if-others-work' },
};

/**
 * Who is blamed for an answer. One that does not name its reason blocks a key only when another one serves the same request: a
 * network may answer so for all of them.
 */
export function blameFor({ verdict, namesReason }: { readonly verdict: VerdictClass; readonly namesReason: boolean }) {
  return !namesReason && (verdict === 'bad-key' || verdict === 'unpaid') ? 'if-others-work' : CONSEQUENCES[verdict].blame;
}

type Rule = {
  readonly class: VerdictClass;
  /** Statuses the row is for; null for any ≥ 400. */
  readonly statuses: readonly number[] | null;
  /** The row matches when the type is one of these, or the message matches; with neither, the status is enough. */
  readonly types?: readonly string[];
  readonly message?: RegExp;
  /** Only in this form does the message mean it; absent: in any but a page. */
  readonly form?: 'envelope' | 'plain';
};

/**
 * Most specific first; the first row that matches decides. The upstream
 * gives one status many meanings, so the message decides and the status is the fallback at the end.
 */
export const RULES: readonly Rule[] = [
  // About the request or the client, whatever the status: no key can change it.
  { class: 'agents-only', statuses: [403], message: /only available for coding agents/ },
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
    message: /subscription does not have access to|plan supports only|model id\b.{0,80}does not exist/,
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
    form: 'envelope',
    message: /billing|recharge|top[ -]?up|\b(?:balance|credits?|subscriptions?|plans?|payment)\b|充值|订阅|套餐/,
  },

  // Text about a key, which no network says. In an envelope the status is enough.
  {
    class: 'bad-key',
    statuses: [401],
    form: 'plain',
    message: /api[ _-]?key|invalid (?:authentication|token)|access token|token (?:has |is )?expired/,
  },

  // By status alone: for the API's envelope, and for answers that say no more than their status.
  { class: 'bad-key', statuses: [401] },
  { class: 'unpaid', statuses: [402] },
  { class: 'refused', statuses: [403] },
  { class: 'rate', statuses: [429] },
  { class: 'broken', statuses: [408, 499] },
];

/**
 * The class of an upstream answer. Statuses under 400 are served, other 4xx the caller's, 5xx the upstream's; what is not the
 * API's own answer says nothing about anybody.
 */
export function judge(answer: Answer): VerdictClass {
  if (answer.status < 400) return 'served';
  if (answer.form !== 'page') {
    for (const rule of RULES) {
      if (matches(rule, answer)) return isApis(rule, answer) ? rule.class : foreign(answer);
    }
    if (answer.status < 500) return 'caller';
    if (answer.form === 'envelope' || answer.form === 'bare') return 'broken';
  }
  return foreign(answer);
}

/** A row that goes by the status alone speaks of answers of the API only. */
function isApis(rule: Rule, { form }: Answer): boolean {
  return rule.types !== undefined || rule.message !== undefined || form === 'envelope' || form === 'bare';
}

function foreign({ status }: Answer): 'foreign' | 'edge' {
  return (status >= 500 && status !== 511) || status === 408 || status === 499 ? 'edge' : 'foreign';
}

function matches(rule: Rule, answer: Answer): boolean {
  if (rule.statuses !== null && !rule.statuses.includes(answer.status)) return false;
  if (rule.form !== undefined && rule.form !== answer.form) return false;
  if (rule.types === undefined && rule.message === undefined) return true;
  return (rule.types?.includes(answer.type) ?? false) || (rule.message?.test(answer.message) ?? false);
}
