/**
 * A reference that something should have replaced: `${NAME}`, `$NAME`, `%NAME%`, `{env:NAME}`, `{{ name }}`, `op://vault/item`,
 * `@/run/secrets/name`; or a text that something should have decrypted: `encrypted:...`, `ENC[...]`.
 */
const WHOLE_REFERENCES: readonly RegExp[] = [
  /^\$(?:env:)?[A-Za-z_]\w*$/i,
  /^%[A-Za-z_]\w*%$/,
  /^[#$]?\{[^{}]*\}$/,
  /^\{\{.*\}\}$/s,
  /^\[\[.*\]\]$/s,
  /^(?:env|file):|^(?:os\.environ|process\.env)[./[]|^(?:op|vault|secret|ssm|keyring|keychain|bws):\/\//i,
  /^(?:encrypted|sops|vault|arn):|^ref\+\w+:|^ENC[[(].*[\])]$/is,
  /^@(?:~|\.{0,2})[/\\]|^@[a-z]:[/\\]/i,
];
/** Each of them has one of these in it; making the patterns takes longer than reading the file of a key. */
const REFERENCE_MARKS = /[$%{[(:@.]/;
const REFERENCE_INSIDE = /\$\{[^}]*\}|\$\(|\$env:\w|\{\{|\{env:/i;

/** Does the text name something that should stand in its place, such as a variable that nothing expanded? */
export function isReference(text: string): boolean {
  const trimmed = text.trim();
  if (!REFERENCE_MARKS.test(trimmed)) return false;
  return REFERENCE_INSIDE.test(trimmed) || WHOLE_REFERENCES.some((pattern) => pattern.test(trimmed));
}

/** What stands in an example for a key, as whole words: `sk-your-key`, `changeme`, `<your key>`. */
const EXAMPLE_WORDS: ReadonlySet<string> = new Set(
  'your yours changeme replaceme placeholder insert paste redacted todo fixme tbd none null nil undefined here apikey example dummy sample'.split(
    ' ',
  ),
);
const EXAMPLE_STARTS = /^(?:your|change_?me|replace_?me|insert|paste|enter_?your|put_?your|add_?your)/i;

/** Keys as they are typed for a page, after their prefix: what stands in a row on the keyboard. */
const TYPED_ROWS =
  /^1234567890(?:\d*|abc[a-z]*)$|^abc[-_]?1234?5?6?7?8?9?0?$|^abc[-_]?123[-_]?def[-_]?(?:456)?[-_]?(?:ghi[-_]?789)?$|^abcdef1234567890|^abcdefghijklmnopqrst/i;

/** Is this an example's stand-in for a secret: `<your key>`, `sk-...`, `your-api-key`, `changeme`, `sk-kimi-xxxxxxxx`? */
export function isExample(text: string): boolean {
  const trimmed = text.trim();
  if (/^<.*>$|^\[.*\]$|^\(.*\)$|\.{3}|[…•·]|\*{3}|<[^<>]*>/s.test(trimmed)) return true;
  // A name of a variable where its value belongs.
  if (/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|SECRET)(?:_\d+)?$/.test(trimmed)) return true;
  const rest = trimmed.replace(/^(?:sk|key)(?=[-_]|$)[-_]?/i, '').replace(/^kimi(?=[-_]|$)[-_]?/i, '');
  if (rest === '' && trimmed !== '') return true;
  if (/^[x_-]*x{3}[x_-]*$/i.test(rest) || /x{6,}|X{6,}/.test(rest)) return true;
  if (TYPED_ROWS.test(rest)) return true;
  const words = rest.toLowerCase().split(/[^a-z0-9]+/);
  // Random keys have long runs of letters and digits; examples are made of words.
  if (!words.every((word) => /^[a-z]{0,24}\d{0,2}$/.test(word))) return false;
  return (
    words.some((word, at) => EXAMPLE_WORDS.has(word) || (word === 'api' && /^key\d*$/.test(words[at + 1] ?? ''))) ||
    words.some((word, at) => (word === 'change' || word === 'replace') && /^(?:me|this|it|with)$/.test(words[at + 1] ?? '')) ||
    EXAMPLE_STARTS.test(rest)
  );
}
