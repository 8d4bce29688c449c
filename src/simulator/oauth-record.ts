import type { IncomingHttpHeaders } from 'node:http';
import type { Outcome } from './exchange.ts';
import type { OAuthError } from './oauth-errors.ts';

/** What a request asks for; `other` is a token request with any other grant type. */
export type OAuthStep = 'begin' | 'poll' | 'refresh' | 'other';

export const ALL_STEPS: readonly OAuthStep[] = ['begin', 'poll', 'refresh', 'other'];

/** The body of a grant, and of `issue`. */
export type TokenAnswer = {
  readonly access_token: string;
  readonly refresh_token: string;
  /** Seconds. */
  readonly expires_in: number;
  readonly scope: string;
  readonly token_type: string;
};

/** A request to one of the two endpoints. Times in epoch ms by the simulator's clock. */
export type OAuthRequest = {
  readonly step: OAuthStep;
  readonly headers: IncomingHttpHeaders;
  /** Flat list, names as sent. */
  readonly rawHeaders: readonly string[];
  /** Empty when the body is no form. */
  readonly form: Readonly<Record<string, string>>;
  readonly at: number;
  /** What was decided; `fault` when a planned fault came before any decision. */
  readonly result: 'begun' | 'granted' | OAuthError | 'fault';
  /** Status sent; null while it is open, and when no answer left. */
  status: number | null;
  /** Null while it is open. `served` = the whole answer was handed to the system. */
  ended: Outcome | null;
};

/** A login or a renewal that succeeded at the server, whether or not its answer arrived. */
export type Grant = {
  readonly kind: 'device' | 'refresh';
  readonly account: string;
  /** Epoch ms. */
  readonly at: number;
  /** The one that was sent; null for a device. */
  readonly refreshToken: string | null;
  /** Share of the access token's life that was left, 0 to 1, 0 for one that had ended; null for a device. */
  readonly lifeLeftShare: number | null;
  readonly userAgent: string | null;
  readonly deviceId: string | null;
  /** Tells what became of the answer. */
  readonly request: OAuthRequest;
};
