import type { Session } from '../../core/sessions/session.ts';

/** What ties a request to an account. Goes with the request from choice to choice, and remembers what they did. */
export class Affinity {
  /** null: it names none, or nobody has looked. */
  readonly session: Session | null;
  readonly hasLooked: boolean;
  /** The account that holds a file the request names. */
  readonly fileAccountId: string | null;
  /** The session was first placed by this request, so that another account is no move yet. */
  isNew = false;

  constructor(session: Session | null, fileAccountId: string | null, hasLooked: boolean) {
    this.session = session;
    this.hasLooked = hasLooked;
    this.fileAccountId = fileAccountId;
  }
}

/** For every request that may go anywhere. Shared, so nothing may be written to it; without a session nothing is. */
export const NO_AFFINITY: Affinity = Object.freeze(new Affinity(null, null, false));
