/** What an auth file says, before its key, URL and label are judged. */
export type AuthEntry = {
  /** Not empty, not trimmed of what only looks like a key. */
  readonly apiKey: string;
  /** As written; null when the file names none. */
  readonly baseUrl: string | null;
  /** As written; null when the file names none. */
  readonly label: string | null;
  readonly priority: number;
  readonly weight: number;
  readonly disabled: boolean;
  readonly email: string | null;
};

export type SkipReason =
  | 'unreadable'
  | 'not_owned'
  | 'too_large'
  | 'malformed'
  | 'no_key'
  /** What stands for the key is a reference that nothing replaced, or an example's stand-in. */
  | 'placeholder'
  | 'several_keys'
  /** Its name is not one of an auth file, though it seems to hold a key. */
  | 'not_read'
  | 'bad_url'
  /** The same key value came earlier, in name order. */
  | 'duplicate_key';

export type AuthProblem = {
  readonly reason: SkipReason;
  /** One sentence for people, without a secret and without text of the file. */
  readonly detail: string;
};

/** A file that gives no key. `file` is built like `Key.source`, so that the two can be compared. */
export type SkippedFile = AuthProblem & { readonly file: string };

/** Something in a file that gives a key, and that is not used. One sentence, without a secret. */
export type FileRemark = { readonly file: string; readonly detail: string };

export type Parsed = { readonly entry: AuthEntry; readonly remarks: readonly string[] } | { readonly problem: AuthProblem };

export function problem(reason: SkipReason, detail: string): { readonly problem: AuthProblem } {
  return { problem: { reason, detail } };
}
