import type { AccountSkipReason } from '../../core/choosing/account-pool.ts';
import type { Chosen } from '../../core/choosing/choice.ts';
import { formatSession } from '../../core/sessions/session.ts';
import { Sessions } from '../../core/sessions/session-table.ts';
import { type HoldingKind, UploadedFiles } from '../../core/sessions/uploaded-files.ts';
import type { Clock } from '../../core/text/time.ts';
import type { DeferredPort, LedgerPort, LogPort } from '../ports.ts';
import type { Affinity } from './affinity.ts';
import type { FailedAttempt } from './cooldowns.ts';
import type { PoolEntry } from './pool-entry.ts';

export type AffinityStoreOptions = {
  readonly ledger: Pick<LedgerPort, 'sessionMoved'>;
  readonly log: Pick<LogPort, 'info'>;
  readonly clock: Clock;
  readonly deferred: DeferredPort;
};

/** A session's way from one account to another, as long as no answer there has begun. */
type Move = {
  fromAccount: string;
  /** The keys of the account it was with; none when that is gone from the pool. */
  readonly fromKeys: readonly string[];
  /** Input tokens of its last request there: what the new account has to read again. */
  readonly tokens: number;
  /** Why its account was passed over; null when it was not, and the request had to go where its file is. */
  readonly reason: AccountSkipReason | null;
  /** The session was placed by the same request: no account has read any of it, so nobody counts the move. */
  readonly isFirst: boolean;
};

/** Remembers which account each session and each uploaded file is with, and counts the moves. */
export class AffinityStore {
  readonly sessions = new Sessions();
  readonly files = new UploadedFiles();
  /** Grows with every change, so that whoever saves them knows. */
  sessionChanges = 0;
  fileChanges = 0;
  readonly #options: AffinityStoreOptions;
  /** By session. What counts is where a session was before, whichever of its requests leads it away or home. */
  readonly #moves = new Map<number, Move>();

  constructor(options: AffinityStoreOptions) {
    this.#options = options;
  }

  /**
   * An account was chosen that the session is with from now on. Noted before the account answers: an answer takes seconds
   * to begin, and what is placed in between must know of this session.
   */
  chosen(affinity: Affinity, choice: Chosen<PoolEntry>, labelsOf: (accountId: string) => readonly string[]): void {
    if (affinity.session === null) return;
    const { id } = affinity.session;
    const { accountId } = choice.candidate;
    const at = this.sessions.accountOf(id);
    if (at === accountId) return;
    if (at === null) affinity.isNew = true;
    else this.#leaves(id, at, choice, affinity.isNew, labelsOf);
    this.#put(id, accountId);
  }

  #leaves(
    id: number,
    at: string,
    { candidate, skipped }: Chosen<PoolEntry>,
    isFirst: boolean,
    labelsOf: (accountId: string) => readonly string[],
  ): void {
    const move = this.#moves.get(id);
    if (move !== undefined) {
      // On its way already; this may be the way home.
      if (move.fromAccount === candidate.accountId) this.#moves.delete(id);
      return;
    }
    this.#options.deferred.catchUp();
    const fromKeys = labelsOf(at);
    const reason = skipped.find(({ label }) => fromKeys.includes(label))?.reason ?? null;
    this.#moves.set(id, { fromAccount: at, fromKeys, tokens: this.sessions.tokensOf(id), reason, isFirst });
  }

  /** The chosen account answers: a move is one now. `failed`: what failed the same request before. */
  served(affinity: Affinity, entry: PoolEntry, failed: readonly FailedAttempt[]): void {
    if (affinity.session === null) return;
    const { id } = affinity.session;
    // Another account that only helped out while the session's was busy does not count as a sight of it.
    if (this.sessions.accountOf(id) !== entry.accountId) return;
    this.#put(id, entry.accountId);
    const move = this.#moves.size === 0 ? undefined : this.#moves.get(id);
    if (move === undefined) return;
    this.#moves.delete(id);
    if (move.isFirst) return;
    const { ledger, log } = this.#options;
    ledger.sessionMoved(move.tokens);
    log.info('A session moved to another account.', {
      session: formatSession(id),
      from_keys: move.fromKeys,
      key_label: entry.key.label,
      reason: reasonOf(move, failed),
      cached_tokens: move.tokens,
    });
  }

  /** The request, or a round of it, is over. What was on its way to an account that served nothing is back where it was. */
  gaveUp({ session }: Affinity): void {
    if (session === null || this.#moves.size === 0) return;
    const move = this.#moves.get(session.id);
    if (move === undefined) return;
    this.#moves.delete(session.id);
    this.#put(session.id, move.fromAccount);
  }

  #put(id: number, accountId: string): void {
    this.sessions.set(id, accountId, this.#options.clock());
    this.sessionChanges += 1;
  }

  /** The answer is over: so many input tokens a move would have to read again. */
  used({ session }: Affinity, entry: PoolEntry, inputTokens: number): void {
    if (session === null || this.sessions.accountOf(session.id) !== entry.accountId) return;
    this.sessions.set(session.id, entry.accountId, this.#options.clock(), inputTokens);
    this.sessionChanges += 1;
  }

  /** An account holds these files and batches. `made`: the first of them was made just now. */
  holds(ids: readonly string[], entry: PoolEntry, made: HoldingKind | null): void {
    for (const [n, id] of ids.entries()) {
      if (n === 0 && made !== null) this.files.set(id, entry.accountId, made);
      else if (this.files.accountOf(id) !== entry.accountId) this.files.note(id, entry.accountId);
      else continue;
      this.fileChanges += 1;
    }
  }

  /** Accounts are known by other names now: old name to new. */
  renameAccounts(names: ReadonlyMap<string, string>): void {
    if (names.size === 0) return;
    for (const [from, to] of names) this.sessions.renameAccount(from, to);
    for (const move of this.#moves.values()) move.fromAccount = names.get(move.fromAccount) ?? move.fromAccount;
    this.files.renameAccounts(names);
  }
}

/** An account that this request had tried failed it, and how says more. */
function reasonOf({ reason, fromAccount }: Move, failed: readonly FailedAttempt[]): string | null {
  if (reason !== 'tried') return reason;
  return failed.findLast(({ entry }) => entry.accountId === fromAccount)?.outcome.verdict ?? reason;
}
