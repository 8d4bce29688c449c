import { MASK, redact } from './redact.ts';

/** Secrets of one length. `firsts`: their first characters, so that most places of a text need no closer look. */
type OfLength = { readonly length: number; readonly secrets: Set<string>; readonly firsts: Set<string> };

/** Two tokens at each renewal: those of five logins for three days. */
const PASSING_MAX = 5_000;

function formsOf(secret: string): readonly string[] {
  return secret === '' ? [] : [...new Set([secret, JSON.stringify(secret).slice(1, -1)])];
}

/**
 * What must never be printed or written: any number of secrets, taken out of a text in a time that depends on the text
 * and on how many lengths there are, not on their number.
 */
export class SecretSet {
  /** The longest first, so that a secret that contains another leaves no rest. */
  #lengths: OfLength[] = [];
  /** The oldest first. */
  readonly #passing = new Set<string>();

  constructor(secrets: Iterable<string> = []) {
    for (const secret of secrets) this.add(secret);
  }

  /** Also as it stands in JSON, where a quote or a backslash is escaped. An empty text is no secret. */
  add(secret: string): void {
    for (const text of formsOf(secret)) {
      const { secrets, firsts } = this.#ofLength(text.length);
      secrets.add(text);
      firsts.add(text.charAt(0));
    }
  }

  #ofLength(length: number): OfLength {
    const known = this.#lengths.find((one) => one.length === length);
    if (known !== undefined) return known;
    const fresh: OfLength = { length, secrets: new Set(), firsts: new Set() };
    this.#lengths = [...this.#lengths, fresh].sort((a, b) => b.length - a.length);
    return fresh;
  }

  /** The same for one that is good for minutes: it is kept for days, not for months. */
  addPassing(secret: string): void {
    if (this.#passing.has(secret)) return;
    this.add(secret);
    this.#passing.add(secret);
    if (this.#passing.size <= PASSING_MAX) return;
    const oldest = this.#passing.values().next().value as string;
    this.#passing.delete(oldest);
    for (const text of formsOf(oldest)) this.#lengths.find(({ length }) => length === text.length)?.secrets.delete(text);
  }

  /** The text without the secrets, and without anything else shaped like a credential (`redact`). */
  redact(text: string): string {
    let clean = text;
    for (const ofLength of this.#lengths) clean = without(clean, ofLength);
    return redact(clean, []);
  }
}

function without(text: string, { length, secrets, firsts }: OfLength): string {
  let clean = '';
  let kept = 0;
  let at = 0;
  while (at + length <= text.length) {
    if (firsts.has(text.charAt(at)) && secrets.has(text.slice(at, at + length))) {
      clean += text.slice(kept, at) + MASK;
      at += length;
      kept = at;
    } else at += 1;
  }
  return kept === 0 ? text : clean + text.slice(kept);
}
