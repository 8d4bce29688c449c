import type { Refusal } from './oauth-errors.ts';

/** How the authorisation server answers; every field may be changed while it runs. */
export type OAuthBehaviour = {
  /** Of the access tokens issued from now on; any number above 0. */
  accessLifetimeS: number;
  /** Between two polls, for devices that begin from now on. */
  intervalS: number;
  deviceLifetimeS: number;
  /** An access token lives to its own end, also after its renewal; false: the renewal ends it. */
  keepOldAccess: boolean;
  /** A refresh token that comes a second time ends the whole login. */
  revokesFamilyOnReuse: boolean;
  /** How a refresh token is refused for good. */
  refusal: Refusal;
  /** Between the decision, which stands, and the answer or the reset. */
  latencyMs: number;
};

export const DEFAULT_OAUTH_BEHAVIOUR: Readonly<OAuthBehaviour> = {
  accessLifetimeS: 900,
  intervalS: 5,
  deviceLifetimeS: 1800,
  keepOldAccess: true,
  revokesFamilyOnReuse: false,
  refusal: 'error',
  latencyMs: 0,
};
