import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../core/text/time.ts';
import type { SimulatedAccount } from './account.ts';
import { DEFAULT_OAUTH_BEHAVIOUR, type OAuthBehaviour } from './oauth-behaviour.ts';
import { Devices } from './oauth-devices.ts';
import { type OAuthError, type OAuthReply, replyError, replyRefusal, replyWith } from './oauth-errors.ts';
import type { OAuthFault, OAuthFaultOptions } from './oauth-faults.ts';
import { ALL_STEPS, type Grant, type OAuthRequest, type OAuthStep, type TokenAnswer } from './oauth-record.ts';
import { type Pair, Tokens } from './oauth-tokens.ts';
import { Plan } from './plan.ts';

/** The one public client (docs/kimi-api.md#oauth-requests). */
const CLIENT_ID = '17e5f671-d194-4dfb-9706-5516cb48c098';

/** A request whose body is complete. */
export type OAuthQuestion = {
  readonly step: OAuthStep;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** Null when the body is no form. */
  readonly form: Readonly<Record<string, string>> | null;
};

/** What to do with a request: the answer, or that none comes. */
export type OAuthAnswer = { readonly request: OAuthRequest; readonly reply: OAuthReply | 'reset' | 'hang' };

type Decision = {
  readonly result: OAuthRequest['result'];
  readonly reply: OAuthReply | 'reset' | 'hang';
  readonly grant: Pick<Grant, 'kind' | 'account' | 'refreshToken' | 'lifeLeftShare'> | null;
};

/** The simulated authorisation server (docs/kimi-api.md#oauth). */
export class SimulatedOAuth {
  readonly behaviour: OAuthBehaviour;
  /** In order; every one that succeeded. `issue` is none. */
  readonly grants: Grant[] = [];
  /** In order of arrival, once the body is complete. */
  readonly received: OAuthRequest[] = [];
  /** Refresh tokens that came again after they had been taken; they were refused. */
  reused = 0;
  /** Refreshes refused for good, those of `reused` included. */
  refused = 0;
  readonly #accountOf: (name: string) => SimulatedAccount;
  readonly #clock: Clock;
  readonly #devices = new Devices();
  readonly #tokens = new Tokens();
  readonly #faults = new Plan<OAuthFault, OAuthStep | `${OAuthStep} granted`>();

  /** `accountOf` throws for an unknown name. */
  constructor(accountOf: (name: string) => SimulatedAccount, clock: Clock, behaviour: Partial<OAuthBehaviour>) {
    this.#accountOf = accountOf;
    this.#clock = clock;
    this.behaviour = { ...DEFAULT_OAUTH_BEHAVIOUR, ...behaviour };
  }

  behave(change: Partial<OAuthBehaviour>): this {
    Object.assign(this.behaviour, change);
    return this;
  }

  /** What a device login of the account would have been given. */
  issue(accountName: string): TokenAnswer {
    return this.#render(this.#tokens.begin(this.#accountOf(accountName), this.#clock(), this.behaviour.accessLifetimeS));
  }

  /** Every token there has ever been, also those that were replaced. */
  get issued(): readonly string[] {
    return this.#tokens.issued;
  }

  /** User codes that wait for a person, oldest first. */
  get pending(): string[] {
    return this.#devices.pending(this.#clock());
  }

  /** The person lets the device in. Throws when no device waits with this code, as do the next three. */
  approve(userCode: string, accountName: string): this {
    this.#devices.approve(userCode, this.#accountOf(accountName), this.#clock());
    return this;
  }

  deny(userCode: string): this {
    this.#devices.deny(userCode, this.#clock());
    return this;
  }

  /** Its time is over at once. */
  expire(userCode: string): this {
    this.#devices.expire(userCode, this.#clock());
    return this;
  }

  /** The device's next poll is told `slow_down`, and its interval grows, as if it had polled too fast. */
  slowDown(userCode: string): this {
    this.#devices.slowDown(userCode, this.#clock());
    return this;
  }

  /** Ends all logins of the account: refresh tokens are refused, access tokens get 401. */
  revoke(accountName: string): this {
    this.#tokens.revoke(this.#accountOf(accountName));
    return this;
  }

  /** Ends the account's access tokens before their time; its refresh tokens stay good. */
  endAccess(accountName: string): this {
    this.#tokens.endAccess(this.#accountOf(accountName), this.#clock());
    return this;
  }

  /** The account an access token stands for now, or null. */
  accountOf(accessToken: string): SimulatedAccount | null {
    return this.#tokens.accountOf(accessToken, this.#clock());
  }

  /** The refresh token would be taken now. */
  isLive(refreshToken: string): boolean {
    return this.#tokens.isLive(refreshToken);
  }

  /** Renewals granted, of one account or of all. */
  renewals(accountName?: string): number {
    return this.grants.filter(({ kind, account }) => kind === 'refresh' && account === (accountName ?? account)).length;
  }

  /** A line for each request, without a secret. */
  describe(): string[] {
    return this.received.map(({ step, result, ended }) => `OAuth ${step}: ${result}, ${ended ?? 'open'}`);
  }

  /** Plans a fault. Faults strike in the order planned. */
  fail(what: OAuthFault, options: OAuthFaultOptions = {}): this {
    const steps = options.on ?? ALL_STEPS;
    const isAfterGrant = what === 'reset_after_grant' || what === 'hang_after_grant';
    this.#faults.add(what, isAfterGrant ? steps.map((step) => `${step} granted` as const) : steps, options);
    return this;
  }

  /** Drops every planned fault. */
  heal(): this {
    this.#faults.clear();
    return this;
  }

  /** Takes a request: writes it down, decides, and says what the client is to get. For the handler. */
  take({ step, headers, rawHeaders, form }: OAuthQuestion): OAuthAnswer {
    const at = this.#clock();
    const fault = this.#faults.draw(step, headers);
    const decision = fault === null ? this.#decide(step, form, headers.host ?? '', at) : byFault(fault);
    const { result, reply, grant } = decision;
    const request: OAuthRequest = { step, headers, rawHeaders, form: form ?? {}, at, result, status: null, ended: null };
    this.received.push(request);
    if (grant === null) return { request, reply };
    const { 'user-agent': userAgent = null, 'x-msh-device-id': deviceId } = headers;
    this.grants.push({ ...grant, at, userAgent, deviceId: typeof deviceId === 'string' ? deviceId : null, request });
    const loss = this.#faults.draw(`${step} granted`, headers);
    return { request, reply: loss === null ? reply : byFault(loss).reply };
  }

  #decide(step: OAuthStep, form: OAuthQuestion['form'], host: string, now: number): Decision {
    if (form === null) return refuse('invalid_request');
    if (form.client_id !== CLIENT_ID) return refuse('invalid_client');
    switch (step) {
      case 'begin':
        return this.#begin(host, now);
      case 'poll':
        return this.#poll(form.device_code ?? '', now);
      case 'refresh':
        return this.#refresh(form.refresh_token ?? '', now);
      case 'other':
        return refuse('unsupported_grant_type');
    }
  }

  #begin(host: string, now: number): Decision {
    const { deviceLifetimeS, intervalS } = this.behaviour;
    const { userCode, deviceCode } = this.#devices.begin(now, deviceLifetimeS, intervalS);
    const page = `http://${host}/device`;
    const reply = replyWith(200, {
      user_code: userCode,
      device_code: deviceCode,
      verification_uri: page,
      verification_uri_complete: `${page}?user_code=${userCode}`,
      expires_in: deviceLifetimeS,
      interval: intervalS,
    });
    return { result: 'begun', reply, grant: null };
  }

  #poll(deviceCode: string, now: number): Decision {
    const account = this.#devices.poll(deviceCode, now);
    if (typeof account === 'string') return refuse(account);
    const pair = this.#tokens.begin(account, now, this.behaviour.accessLifetimeS);
    const grant = { kind: 'device', account: account.name, refreshToken: null, lifeLeftShare: null } as const;
    return { result: 'granted', reply: replyWith(200, this.#render(pair)), grant };
  }

  #refresh(refreshToken: string, now: number): Decision {
    const { accessLifetimeS, keepOldAccess, refusal, revokesFamilyOnReuse } = this.behaviour;
    const options = { lifetimeS: accessLifetimeS, keepOldAccess, revokesFamilyOnReuse };
    const rotation = this.#tokens.rotate(refreshToken, now, options);
    if (typeof rotation === 'string') {
      if (rotation === 'reused') this.reused += 1;
      this.refused += 1;
      return { ...refuse('invalid_grant'), reply: replyRefusal(refusal) };
    }
    const { account, lifeLeftShare } = rotation;
    const grant = { kind: 'refresh', account: account.name, refreshToken, lifeLeftShare } as const;
    return { result: 'granted', reply: replyWith(200, this.#render(rotation)), grant };
  }

  #render({ accessToken, refreshToken }: Pair): TokenAnswer {
    return {
      access_token: accessToken,
      refresh_token: refreshToken,
      expires_in: this.behaviour.accessLifetimeS,
      scope: 'kimi-code',
      token_type: 'Bearer',
    };
  }
}

function refuse(error: OAuthError): Decision {
  return { result: error, reply: replyError(error), grant: null };
}

function byFault(fault: OAuthFault): Decision {
  const decide = (reply: Decision['reply']): Decision => ({ result: 'fault', reply, grant: null });
  switch (fault) {
    case 'refuse':
    case 'reset_after_grant':
      return decide('reset');
    case 'hang':
    case 'hang_after_grant':
      return decide('hang');
    default:
      return decide({ body: JSON.stringify({ message: 'the simulator was told to fail' }), ...fault });
  }
}
