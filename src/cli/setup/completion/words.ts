/** What can stand somewhere on the command line. `command`: a program and its arguments. */
export type Completed =
  | { readonly kind: 'nothing' | 'labels' | 'requests' | 'files' | 'command' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export type CompletedFlag = {
  /** `--lines`, `-n`. */
  readonly names: readonly string[];
  readonly help: string;
  /** Null for a switch. */
  readonly value: Completed | null;
};

export type CompletedCommand = {
  /** Words after `kmi`; empty for `kmi` itself. */
  readonly name: string;
  readonly summary: string;
  readonly subcommands: readonly { readonly word: string; readonly summary: string }[];
  readonly flags: readonly CompletedFlag[];
  /** What can stand after one of these operands: the values of settings. */
  readonly after: readonly { readonly words: readonly string[]; readonly value: Completed }[];
  /** By position; the last one also stands for all that follow. */
  readonly operands: readonly Completed[];
};
