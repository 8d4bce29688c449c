import type { Chosen } from '../../core/choosing/choice.ts';
import { formatSession } from '../../core/sessions/session.ts';
import { Sessions } from '../../core/sessions/session-table.ts';
import { type HoldingKind, UploadedFiles } from '../../core/sessions/uploaded-files.ts';
import type { Clock } from '../../core/text/time.ts';
import type { DeferredPort, LedgerPort, LogPort } from '../ports.ts';
import type { Affinity } from './affinity.ts';
import type { PoolEntry } from './pool-entry.ts';

export type AffinityStoreOptions = {
  readonly ledger: LedgerPort;
  readonly log: LogPort;
  readonly clock: Clock;
  readonly deferred: DeferredPort;
};

/** Remembers which account each session and each uploaded file is with, and counts the moves. */
export class AffinityStore {
  readonly sessions = new Sessions();
  readonly files = new UploadedFiles();
  /** Grows with every change, so that whoever saves them knows. */
  sessionChanges = 0;
  fileChanges = 0;
  readonly #options: AffinityStoreOptions;

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
    const home = this.sessions.accountOf(id);
    if (home === accountId) return;
    if (home === null) affinity.isNew = true;
    else if (!affinity.isNew && affinity.move === null) {
      this.#options.deferred.catchUp();
      const fromKeys = labelsOf(home);
      const reason = choice.skipped.find(({ label }) => fromKeys.includes(label))?.reason ?? null;
      affinity.move = { fromKeys, tokens: this.sessions.tokensOf(id), reason };
    }
    this.sessions.set(id, accountId, this.#options.clock());
    this.sessionChanges += 1;
  }

  /** The chosen account answers: a move is one now. */
  served(affinity: Affinity, entry: PoolEntry): void {
    if (affinity.session === null) return;
    const { id } = affinity.session;
    // Another account that only helped out while the session's was busy does not count as a sight of it.
    if (this.sessions.accountOf(id) !== entry.accountId) return;
    this.sessions.set(id, entry.accountId, this.#options.clock());
    this.sessionChanges += 1;
    const { move } = affinity;
    if (move === null) return;
    affinity.move = null;
    const { ledger, log } = this.#options;
    ledger.sessionMoved(move.tokens);
    log.info('A session moved to another account.', {
      session: formatSession(id),
      from_keys: move.fromKeys,
      key_label: entry.key.label,
      reason: move.reason,
      cached_tokens: move.tokens,
    });
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
    this.files.renameAccounts(names);
  }
}
