/** Why the authorisation server says no (RFC 6749, 5.2, and RFC 8628, 3.5; docs/kimi-api.md#oauth-requests). */
export type OAuthError =
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'access_denied'
  | 'invalid_grant'
  | 'invalid_client'
  | 'invalid_request'
  | 'unsupported_grant_type';

const DESCRIPTIONS: Readonly<Record<OAuthError, string>> = {
  authorization_pending: 'The authorization request is still pending',
  slow_down: 'The client polls too fast',
  expired_token: 'The device code has expired',
  access_denied: 'The authorization request was denied',
  invalid_grant: 'The provided authorization grant is invalid',
  invalid_client: 'The client is unknown',
  invalid_request: 'The request is malformed',
  unsupported_grant_type: 'The grant type is not supported',
};

/**
 * How a refresh token is refused for good: `error` = 400 with `error: "invalid_grant"`; `text` = 400 with the words of the
 * refusal and no `error`; `unauthorized` = 401, `forbidden` = 403, neither with `error` nor with these words.
 */
export type Refusal = 'error' | 'text' | 'unauthorized' | 'forbidden';

export type OAuthReply = { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> };

export function replyError(error: OAuthError): OAuthReply {
  return replyWith(400, { error, error_description: DESCRIPTIONS[error] });
}

export function replyRefusal(refusal: Refusal): OAuthReply {
  switch (refusal) {
    case 'error':
      return replyError('invalid_grant');
    case 'text':
      return replyWith(400, { message: DESCRIPTIONS.invalid_grant });
    case 'unauthorized':
      return replyWith(401, { message: 'Unauthorized' });
    case 'forbidden':
      return replyWith(403, { message: 'Forbidden' });
  }
}

export function replyWith(status: number, body: object): OAuthReply {
  return { status, body: JSON.stringify(body) };
}
