const HOLDINGS_MAX = 10_000;

/** What an account holds that no other account knows: uploaded files, and batches with the files they write. */
export type HoldingKind = 'file' | 'batch';

/** `batch_…` (OpenAI), `msgbatch_…` (Anthropic). */
const BATCH_ID = /^(?:msg)?batch_/;

/**
 * Which account holds each uploaded file (docs/kimi-api.md#files) and each batch: the last 10,000, the one made first
 * forgotten first. A deleted file stays known: only the account that held it can say that it is gone.
 */
export class UploadedFiles {
  readonly #accounts = new Map<string, string>();
  readonly #capacity: number;
  readonly #latest: Record<HoldingKind, string> = { file: '', batch: '' };

  constructor(capacity = HOLDINGS_MAX) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#accounts.size;
  }

  accountOf(id: string): string | null {
    return this.#accounts.get(id) ?? null;
  }

  /** Who holds the file or batch made last. */
  latestAccount(kind: HoldingKind = 'file'): string | null {
    return this.accountOf(this.#latest[kind]);
  }

  /** It was made just now. */
  set(id: string, accountId: string, kind: HoldingKind = 'file'): void {
    this.#latest[kind] = id;
    this.note(id, accountId);
  }

  /** It has been there for a while. */
  note(id: string, accountId: string): void {
    this.#accounts.delete(id);
    this.#accounts.set(id, accountId);
    if (this.#accounts.size <= this.#capacity) return;
    const [oldest] = this.#accounts.keys();
    if (oldest !== undefined) this.#accounts.delete(oldest);
  }

  /** Accounts are known by other names now: old name to new. */
  renameAccounts(names: ReadonlyMap<string, string>): void {
    for (const [id, account] of this.#accounts) {
      const name = names.get(account);
      if (name !== undefined) this.#accounts.set(id, name);
    }
  }

  /** Takes over what another process knows; what is known here counts as made later. */
  merge(others: Iterable<readonly [string, string]>): void {
    const ours = [...this.#accounts];
    const own = { ...this.#latest };
    this.#accounts.clear();
    for (const [id, account] of others) this.set(id, account, BATCH_ID.test(id) ? 'batch' : 'file');
    for (const [id, account] of ours) this.note(id, account);
    for (const kind of ['file', 'batch'] as const) if (this.accountOf(own[kind]) !== null) this.#latest[kind] = own[kind];
  }

  /** In the order in which they were made. */
  entries(): IterableIterator<[string, string]> {
    return this.#accounts.entries();
  }
}
