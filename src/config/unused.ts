import { cutNames } from './cut-values.ts';
import type { EnvText } from './env-file.ts';
import {
  ENVIRONMENT_ONLY,
  isOurName,
  KEY_VARIABLES,
  nearestNames,
  SETTING_VARIABLES,
  settingWithoutPrefix,
} from './known-names.ts';

/** Something that was written for kmi and is not used. Never holds a value: one may be a key. */
export type Unused = {
  /** An env file's path; null for the environment. */
  readonly file: string | null;
  readonly name: string;
  /** Why it is not used and what may have been meant; completes "<name> ...". */
  readonly why: string;
};

/** More than any settings file has; telling slips apart takes time. */
const NAMES_MAX = 1000;
const LINES_MAX = 20;
/** Completes "<name> ...". */
export const WHY_CUT = 'is cut at the #; put the value in quotes';
const ENVIRONMENT_NAMES: readonly string[] = [...SETTING_VARIABLES, ...ENVIRONMENT_ONLY];

/** What the environment sets for kmi and nothing reads. */
export function findUnusedVariables(environment: Readonly<Record<string, string | undefined>>): readonly Unused[] {
  return Object.keys(environment).flatMap((name) => {
    // Windows takes names in any case.
    const known = process.platform === 'win32' ? name.toUpperCase() : name;
    return isOurName(name) && !ENVIRONMENT_NAMES.includes(known) ? [{ file: null, name, why: whyUnknown(name) }] : [];
  });
}

/** What an env file sets for kmi and nothing reads: unknown names, lines of a form no env file has, all but the last of equals. */
export function findUnusedLines(path: string, { text, values }: EnvText, isSurelyOurs: boolean): readonly Unused[] {
  const names = Object.keys(values).slice(0, NAMES_MAX);
  // A `.env` may be another program's, and `DRY_RUN` its own; in a file that is surely ours it is a slip.
  const isOurs = isSurelyOurs || names.some(isOurName) || names.every((name) => settingWithoutPrefix(name) !== null);
  const cut = cutNames(text, values);
  const unknown = names.flatMap((name) => {
    if (SETTING_VARIABLES.includes(name)) return cut.includes(name) ? [{ name, why: WHY_CUT }] : [];
    if (ENVIRONMENT_ONLY.includes(name)) return [{ name, why: 'counts in the environment only, not in this file' }];
    if (isOurName(name)) return [{ name, why: whyUnknown(name) }];
    const meant = isOurs ? settingWithoutPrefix(name) : null;
    return meant === null ? [] : [{ name, why: `is no setting of kmi; did you mean ${meant}?` }];
  });
  return [...unknown, ...findOddLines(text, values)].map((found) => ({ file: path, ...found }));
}

function whyUnknown(name: string): string {
  if (KEY_VARIABLES.includes(name.toUpperCase())) {
    return 'belongs into an auth file: `kmi keys add` writes one';
  }
  return `is no setting of kmi${question(nearestNames(name, SETTING_VARIABLES))}`;
}

/** "; did you mean A or B?" */
export function question(names: readonly string[]): string {
  return names.length === 0 ? '' : `; did you mean ${names.join(' or ')}?`;
}

/** A name as it may be shown: somebody may have forgotten the `=` between it and a key. */
export function shownName(name: string): string {
  const known = [...ENVIRONMENT_NAMES, ...KEY_VARIABLES].filter((each) => name.toUpperCase().startsWith(each));
  const longest = known.sort((a, b) => b.length - a.length)[0];
  const shown = longest !== undefined && name.length > longest.length + 8 ? `${longest}...` : name;
  return shown
    .replace(/sk-.*$/is, 'sk-...')
    .replace(/[^\w.-]/g, '?')
    .slice(0, 60);
}

/** Lines that name a variable of ours and were not read, or were outdone by a later line of the same name. */
export function findOddLines(text: string, values: EnvText['values']): { name: string; why: string }[] {
  const odd: { name: string; why: string }[] = [];
  const last = new Map<string, string>();
  const lines = /kmi/i.test(text) || /\p{Cf}/u.test(text) ? text.split(/\r\n|[\n\r]/) : [];
  lines.forEach((line, index) => {
    if (/^\s*(?:#|$)/.test(line)) return;
    const [, name = '', value = ''] = /^\uFEFF?\s*(?:export\s+)?(KMI_\w+)\s*(?:=|:\s)\s*(.*)$/.exec(line) ?? [];
    if (name !== '' && Object.hasOwn(values, name)) {
      const earlier = last.get(name);
      last.set(name, value);
      const stands = { name, why: 'is set more than once; only the last line counts' };
      if (odd.length < LINES_MAX && earlier !== undefined && earlier !== value && !odd.some((other) => other.name === name))
        odd.push(stands);
      return;
    }
    // Text pasted from web pages brings invisible zero-width characters.
    const head =
      line
        .slice(0, 200)
        .replace(/\p{Cf}/gu, '')
        .split('=', 1)[0] ?? '';
    const [found] = /\bKMI_\w+/i.exec(head) ?? [];
    if (found === undefined || Object.hasOwn(values, found)) return;
    if (odd.length < LINES_MAX)
      odd.push({ name: found, why: `in line ${index + 1} sets nothing; write ${found.toUpperCase()}=value` });
  });
  return odd;
}
