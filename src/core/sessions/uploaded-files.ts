const FILES_MAX = 10_000;

/**
 * Which account holds each uploaded file (docs/kimi-api.md#files): the last 10,000, the one uploaded first forgotten
 * first. A deleted file stays known: only the account that held it can say that it is gone.
 */
export class UploadedFiles {
  readonly #accounts = new Map<string, string>();
  readonly #capacity: number;
  #latest = '';

  constructor(capacity = FILES_MAX) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#accounts.size;
  }

  accountOf(id: string): string | null {
    return this.#accounts.get(id) ?? null;
  }

  /** Who holds the file uploaded last. */
  latestAccount(): string | null {
    return this.accountOf(this.#latest);
  }

  set(id: string, accountId: string): void {
    this.#latest = id;
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

  /** Takes over what another process knows; what is known here counts as uploaded later. */
  merge(others: Iterable<readonly [string, string]>): void {
    const ours = [...this.#accounts];
    this.#accounts.clear();
    for (const [id, account] of [...others, ...ours]) this.set(id, account);
  }

  /** In order of upload. */
  entries(): IterableIterator<[string, string]> {
    return this.#accounts.entries();
  }
}
