import { parse } from 'dotenv';
import { withoutBlankLines } from '../config/blank-lines.ts';
import { BOOLEAN_WORDS, parseBoolean } from '../config/boolean-words.ts';
import { cutNames } from '../config/cut-values.ts';
import { isOurName, KEY_VARIABLES, nearestNames, SETTING_VARIABLES } from '../config/known-names.ts';
import { findOddLines, question, shownName, WHY_CUT } from '../config/unused.ts';
import { DEFAULT_WEIGHT, parsePriority, parseWeight } from '../core/keys/key.ts';
import { type Parsed, problem } from './auth-entry.ts';
import { asEmail } from './display-text.ts';
import { isOff, switchOf } from './key-switch.ts';
import { looksLikeKey, trimKey } from './key-text.ts';

type Values = Readonly<Record<string, string>>;

/** What an `.env` auth file may set. */
const VARIABLES: readonly string[] = [...KEY_VARIABLES, 'KMI_UPSTREAM_BASE_URL'];
/** A file with more names is no auth file, and telling slips apart takes time. */
const NAMES_MAX = 50;

/** Reads a `.env` auth file. Never throws. */
export function parseEnvFile(text: string): Parsed {
  const values = parse(withoutBlankLines(text));
  const value = (name: string): string => (Object.hasOwn(values, name) ? (values[name] ?? '').trim() : '');
  const cut = cutNames(text, values);
  if (cut.includes('KMI_API_KEY')) return problem('malformed', `Its KMI_API_KEY ${WHY_CUT}.`);
  const apiKey = trimKey(value('KMI_API_KEY'));
  if (apiKey === '') return problem('no_key', ['The file sets no KMI_API_KEY.', ...explainMissing(text, values)].join(' '));
  const isUnset = value('KMI_KEY_DISABLED') === '' && !cut.includes('KMI_KEY_DISABLED');
  const disabled = isUnset ? false : parseBoolean(value('KMI_KEY_DISABLED'));
  if (disabled === null) {
    return problem('malformed', `Its KMI_KEY_DISABLED is unclear, so the key is not used; accepted: ${BOOLEAN_WORDS}.`);
  }
  const odd = unreadSwitch(text, values);
  if (odd !== null && !disabled) {
    return problem('malformed', `${odd} is not read, so the key is not used; write KMI_KEY_DISABLED=1 or 0.`);
  }
  const priority = value('KMI_KEY_PRIORITY') === '' ? 0 : parsePriority(value('KMI_KEY_PRIORITY'));
  const weight = value('KMI_KEY_WEIGHT') === '' ? DEFAULT_WEIGHT : parseWeight(value('KMI_KEY_WEIGHT'));
  return {
    entry: {
      apiKey,
      baseUrl: value('KMI_UPSTREAM_BASE_URL') || null,
      label: value('KMI_KEY_LABEL') || null,
      priority: priority ?? 0,
      weight: weight ?? DEFAULT_WEIGHT,
      disabled,
      email: asEmail(value('KMI_ACCOUNT_EMAIL')) ?? asEmail(value('KMI_EMAIL')) ?? asEmail(value('EMAIL')),
    },
    remarks: [
      ...(priority === null ? ['KMI_KEY_PRIORITY is not a whole number and counts as 0.'] : []),
      ...(weight === null ? [`KMI_KEY_WEIGHT is not a whole number from 1 to 1000 and counts as ${DEFAULT_WEIGHT}.`] : []),
      ...cut.filter((name) => VARIABLES.includes(name)).map((name) => `${name} ${WHY_CUT}.`),
      ...findUnread(text, values),
    ],
  };
}

/** Something that was to disable the key and is not read: another spelling, or a line of a form that sets nothing. */
function unreadSwitch(text: string, values: Values): string | null {
  const meant = ([name, value]: [string, string]) => {
    if (VARIABLES.includes(name) || value.trim() === '') return false;
    const isNear = isOurName(name) && nearestNames(name, VARIABLES)[0] === 'KMI_KEY_DISABLED';
    const kind = switchOf(name) ?? (isNear ? 'disabled' : null);
    return kind !== null && isOff(kind, value) !== false;
  };
  const ours = Object.entries(values).filter(([name]) => isOurName(name) || switchOf(name) !== null);
  const [name] = ours.slice(0, NAMES_MAX).find(meant) ?? [];
  if (name !== undefined) return shownName(name);
  const line = findOddLines(text, values).find((odd) => odd.why.includes(' sets nothing') && switchOf(odd.name) !== null);
  return line === undefined ? null : shownName(line.name);
}

/** What was written for kmi into a file that gives a key, and is not read. */
function findUnread(text: string, values: Values): string[] {
  const names = Object.keys(values)
    .filter((name) => isOurName(name) && !VARIABLES.includes(name))
    .slice(0, NAMES_MAX);
  const lines = bareKeyLines(text);
  return [
    ...names.map((name) => `${shownName(name)} ${whyUnread(name)}.`.replace('?.', '?')),
    ...findOddLines(text, values).map(
      ({ name, why }) => `${shownName(name)} ${why}${name === 'KMI_API_KEY' ? '; each key needs a file of its own' : ''}.`,
    ),
    ...(lines.length === 0 ? [] : [`Line ${lines.join(', ')} looks like a further key; put each key into a file of its own.`]),
  ];
}

function whyUnread(name: string): string {
  if (/^KMI_API_KEYS?[_-]?\d*$/i.test(name)) return 'is not read; put each key into a file of its own';
  if (SETTING_VARIABLES.includes(name)) return 'is a setting and counts in .env, not beside a key';
  return `is not read${question(nearestNames(name, VARIABLES))}`;
}

/** `KIMI_API_KEY`, `MOONSHOT_API_KEY`, `API_KEY`: names under which other programs look for a key of Kimi. */
const API_KEY = /^(?:(?:kmi|kimi|moonshot)\w*_)?api_?keys?_?\d*$/i;

/** What a file without `KMI_API_KEY` may have meant by what it says. */
function explainMissing(text: string, values: Values): string[] {
  const names = Object.keys(values).filter(
    (name) => (values[name] ?? '').trim() !== '' && (isOurName(name) || API_KEY.test(name)),
  );
  const meant = names
    .slice(0, NAMES_MAX)
    .find((name) => API_KEY.test(name) || nearestNames(name, VARIABLES)[0] === 'KMI_API_KEY');
  if (meant !== undefined) return [`${shownName(meant)} is not read; did you mean KMI_API_KEY?`];
  const [odd] = findOddLines(text, values);
  if (odd !== undefined) return [`${shownName(odd.name)} ${odd.why}.`];
  return bareKeyLines(text).length > 0 ? ['It holds a key without a name; write KMI_API_KEY= before it.'] : [];
}

/** Numbers of the lines that are nothing but a key. */
function bareKeyLines(text: string): number[] {
  const lines = text.includes('sk-') ? text.split(/\r\n|[\n\r]/) : [];
  return lines.flatMap((line, index) =>
    line.includes('sk-') && /^sk-/.test(trimKey(line)) && looksLikeKey(trimKey(line)) ? [index + 1] : [],
  );
}
