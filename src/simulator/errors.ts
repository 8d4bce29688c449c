/** One way the upstream says no. `type` is the OpenAI-protocol type; the Anthropic one follows from the status. */
export type UpstreamError = {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Protocol = 'openai' | 'anthropic';

const QUOTA_403 = 'access_terminated_error';
const UPGRADE = 'Upgrade your plan or wait for the next window: https://www.kimi.com/code/console';

/**
 * Every error row of docs/kimi-api.md#errors, one entry for each text that was seen. What the source does not state
 * (the `type` of some rows, the words around the key phrase) is filled in plausibly, so nothing but the phrase may be
 * relied on. Plan refusals carry no Retry-After; only the Open Platform's tier limits do.
 */
export const ERRORS = {
  invalid_key: {
    status: 401,
    type: 'invalid_authentication_error',
    message: 'The API key appears to be invalid or may have expired. Please verify your credentials and try again.',
  },
  invalid_authentication: { status: 401, type: 'invalid_authentication_error', message: 'Invalid Authentication' },
  no_model_access: {
    status: 401,
    type: 'invalid_authentication_error',
    message: 'Your current subscription does not have access to k3. Please upgrade your plan.',
  },
  plan_supports_only: {
    status: 401,
    type: 'invalid_authentication_error',
    message: 'Your current plan supports only kimi-for-coding. Please upgrade your plan or change the model.',
  },
  model_not_recognized: {
    status: 401,
    type: 'invalid_authentication_error',
    message: 'The model id does not exist, recognized as k3-ultra, which your plan does not include.',
  },
  model_id_unknown: {
    status: 401,
    type: 'invalid_authentication_error',
    message: "Your model id does not exist. Please set model id as 'k3'.",
  },
  membership_unverified: {
    status: 402,
    type: 'payment_required_error',
    message: 'We are unable to verify your membership benefits at this time. Please try again later.',
  },
  not_coding_agent: {
    status: 403,
    type: 'access_terminated_error',
    message:
      'Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code, Kilo Code, etc.',
  },
  quota_5h: { status: 403, type: QUOTA_403, message: `You've reached your 5-hour usage limit. ${UPGRADE}` },
  quota_weekly: { status: 403, type: QUOTA_403, message: `You've reached your weekly (7-day) usage limit. ${UPGRADE}` },
  quota_monthly: {
    status: 403,
    type: QUOTA_403,
    message: `You've reached your monthly usage limit for this billing cycle. ${UPGRADE}`,
  },
  quota_billing_cycle: {
    status: 403,
    type: QUOTA_403,
    message: `You've reached your usage limit for this billing cycle. ${UPGRADE}`,
  },
  credit_empty: {
    status: 403,
    type: QUOTA_403,
    message: 'Your extra usage credit balance is insufficient. Please top up to continue.',
  },
  concurrency: {
    status: 403,
    type: QUOTA_403,
    message: "You've reached your concurrent request limit. Please wait for your ongoing requests to finish.",
  },
  banned: {
    status: 403,
    type: 'access_terminated_error',
    message: 'Access terminated: this account broke the Kimi Code community guidelines.',
  },
  no_plan: {
    status: 403,
    type: 'access_terminated_error',
    message: 'Your account does not have access to Kimi Code right now. Please subscribe to a plan.',
  },
  overloaded: {
    status: 429,
    type: 'engine_overloaded_error',
    message: 'The engine is currently overloaded, please try again later',
  },
  rate_limited: {
    status: 429,
    type: 'rate_limit_reached_error',
    message: 'We are receiving too many requests at the moment. Please wait and try again.',
  },
  quota_period: {
    status: 429,
    type: 'exceeded_current_quota_error',
    message: "You've reached your usage limit for this period. Please wait for the next one.",
  },
  quota_exceeded: {
    status: 429,
    type: 'exceeded_current_quota_error',
    message: 'You exceeded your current token quota, please check your account balance',
  },
  balance_suspended: {
    status: 429,
    type: 'exceeded_current_quota_error',
    message: 'Your account org-sim00000001 <ak-sim00000001> is suspended due to insufficient balance, please recharge',
  },
  org_rpm: {
    status: 429,
    type: 'rate_limit_reached_error',
    message:
      'Your account org-sim00000001 <ak-sim00000001> request reached organization max RPM: 20, please try again after 1 seconds',
    headers: { 'retry-after': '1' },
  },
  org_tpd: {
    status: 429,
    type: 'rate_limit_reached_error',
    message:
      'Your account org-sim00000001 <ak-sim00000001> request reached TPD rate limit, current: 1500321, limit: 1500000, please try again later',
    headers: { 'retry-after': '1152' },
  },
  invalid_request: { status: 400, type: 'invalid_request_error', message: 'Invalid request: the body is not a JSON object' },
  message_too_large: {
    status: 400,
    type: 'invalid_request_error',
    message: 'Invalid request: total message size 2400000 exceeds limit 2097152',
  },
  token_limit: {
    status: 400,
    type: 'invalid_request_error',
    message: 'Invalid request: Your request exceeded model token limit: 262144',
  },
  reasoning_missing: {
    status: 400,
    type: 'invalid_request_error',
    message: 'thinking is enabled but reasoning_content is missing in assistant tool call message at index 2',
  },
  tool_call_missing: {
    status: 400,
    type: 'invalid_request_error',
    message: 'Invalid request: tool_call_id call_1 is not found',
  },
  // No source tells what the upstream says to a file it does not know for this account (scope: docs/kimi-api.md#files).
  file_not_found: {
    status: 400,
    type: 'invalid_request_error',
    message: 'Invalid request: file file-a-1 is not found',
  },
  duplicate_function: {
    status: 400,
    type: 'invalid_request_error',
    message: 'Invalid request: function name Read is duplicated',
  },
  content_filter: {
    status: 400,
    type: 'content_filter',
    message: 'The request was rejected because it was considered high risk',
  },
  invalid_temperature: {
    status: 400,
    type: 'invalid_request_error',
    message: 'invalid temperature: only 0.6 is allowed for this model',
  },
  tool_schema_too_large: {
    status: 400,
    type: 'invalid_request_error',
    message: 'Invalid request: tool schema is larger than 15 KB',
  },
  model_not_found: {
    status: 404,
    type: 'resource_not_found_error',
    message: 'Not found the model no-such-model or Permission denied',
  },
  method_not_found: { status: 404, type: 'resource_not_found_error', message: 'method not found' },
  client_closed: { status: 499, type: 'client_closed_request', message: 'context canceled' },
  internal: { status: 500, type: 'server_error', message: 'internal server error' },
  script_timeout: {
    status: 500,
    type: 'server_error',
    message: 'failed to run rate-limit script: read tcp 10.0.0.2:6379: i/o timeout',
  },
  bad_gateway: { status: 502, type: 'server_error', message: 'bad gateway' },
  unavailable: { status: 503, type: 'server_error', message: 'service temporarily unavailable' },
  gateway_timeout: { status: 504, type: 'server_error', message: 'gateway timeout' },
} as const satisfies Record<string, UpstreamError>;

export type ErrorName = keyof typeof ERRORS;

/** The JSON body of an error in the envelope of the protocol (docs/kimi-api.md#error-bodies). */
export function renderError(error: UpstreamError, protocol: Protocol): string {
  if (protocol === 'openai') return JSON.stringify({ error: { message: error.message, type: error.type } });
  return JSON.stringify({ type: 'error', error: { type: anthropicType(error.status), message: error.message } });
}

/** The same error as an event of a stream that has already begun with 200. */
export function renderErrorEvent(error: UpstreamError, protocol: Protocol): string {
  const body = renderError(error, protocol);
  return protocol === 'openai' ? `data: ${body}\n\n` : `event: error\ndata: ${body}\n\n`;
}

function anthropicType(status: number): string {
  if (status >= 500) return 'api_error';
  switch (status) {
    case 401:
      return 'authentication_error';
    case 402:
      return 'billing_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 429:
      return 'rate_limit_error';
    default:
      return 'invalid_request_error';
  }
}
