import { slipsBetween } from '../core/text/slips.ts';
import { SETTINGS } from './settings.ts';

/** Read from the environment only: in an env file they come too late. */
export const ENVIRONMENT_ONLY: readonly string[] = ['KMI_ENV_PATH', 'KMI_DEBUG'];
/** Variables of an auth file that are no settings. */
export const KEY_VARIABLES: readonly string[] = [
  ...['KMI_API_KEY', 'KMI_KEY_LABEL', 'KMI_KEY_PRIORITY', 'KMI_KEY_WEIGHT', 'KMI_KEY_DISABLED'],
  ...['KMI_ACCOUNT_EMAIL', 'KMI_EMAIL'],
];
export const SETTING_VARIABLES: readonly string[] = Object.values(SETTINGS).map(({ variable }) => variable);

/** What people call a setting, without `KMI_` and marks, where no spelling rule leads to its name. */
const ALIASES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    KMI_PROXY_LISTEN: ['PORT', 'HOST', 'PROXYPORT', 'PROXYHOST', 'ADDRESS', 'PROXYADDRESS', 'BIND', 'PROXYBIND', 'LISTENPORT'],
    KMI_UPSTREAM_BASE_URL: ['UPSTREAM', 'BASEURL', 'APIBASE', 'APIURL', 'APIBASEURL'],
    KMI_PROXY_TOKEN: ['TOKEN', 'CLIENTTOKEN'],
  }).flatMap(([variable, names]) => names.map((name) => [name, variable] as const)),
);

/** Was a variable of this name written for kmi, rightly spelt or not: `kmi_dry_run`, `KMI-DRYRUN`, `KIMI_DRY_RUN`? */
export function isOurName(name: string): boolean {
  return /^kmi[_.-]/i.test(name) || otherPrefix(name) !== null;
}

/**
 * The known names a misspelt one may have meant, the nearest first, two at most. Case, dashes and missing underscores do not
 * count as slips, and a name may leave words out: `KMI_UPSTREAM_URL` is `KMI_UPSTREAM_BASE_URL`.
 */
export function nearestNames(name: string, known: readonly string[]): readonly string[] {
  const typed = squash(restOf(name));
  if (typed === '' || typed.length > 60) return [];
  const meant = ALIASES.get(typed);
  if (meant !== undefined && known.includes(meant)) return [meant];
  const ranked = known
    .map((candidate) => ({ candidate, slips: slipsBetween(typed, squash(restOf(candidate))) }))
    .sort((a, b) => a.slips - b.slips);
  const [nearest] = ranked;
  if (nearest !== undefined && nearest.slips <= Math.min(3, Math.floor(typed.length / 4))) return [nearest.candidate];
  const words = wordsOf(restOf(name));
  const fuller = known.filter((candidate) => isWithin(words, wordsOf(restOf(candidate))));
  return fuller.length <= 2 ? fuller : [];
}

/** The setting a name without `KMI_` stands for, when it is exactly the rest of one and of more than one word: `DRY_RUN`. */
export function settingWithoutPrefix(name: string): string | null {
  const wanted = `KMI_${name.toUpperCase()}`;
  return name.includes('_') && wanted !== 'KMI_NO_COLOR' && SETTING_VARIABLES.includes(wanted) ? wanted : null;
}

/** What follows a prefix that is a slip of `KMI_` before exactly the rest of a setting: `KIMI_DRY_RUN`, `KMIDRYRUN`. */
function otherPrefix(name: string): string | null {
  const [, prefix = '', rest = ''] = /^([a-z]{2,5})[_.-](.+)$/i.exec(name) ?? [];
  if (isPrefix(prefix)) {
    const setting = settingWithoutPrefix(rest.replace(/[.-]/g, '_'));
    if (setting !== null) return setting;
  }
  const squashed = squash(name);
  return squashed.startsWith('KMI') ? (SETTING_VARIABLES.find((variable) => squash(variable) === squashed) ?? null) : null;
}

/** The name without its `KMI_`, however that is spelt. */
function restOf(name: string): string {
  const [head = '', prefix = ''] = /^([a-z]{2,5})[_.-]/i.exec(name) ?? [];
  return isPrefix(prefix) ? name.slice(head.length) : name.replace(/^kmi/i, '');
}

function isPrefix(word: string): boolean {
  return word !== '' && slipsBetween(word.toUpperCase(), 'KMI') <= 1;
}

function squash(name: string): string {
  return name.replace(/[_.-]/g, '').toUpperCase();
}

function wordsOf(name: string): string[] {
  return name
    .toUpperCase()
    .split(/[_.-]+/)
    .filter((word) => word !== '');
}

/** All words of one name, in their order, among those of the other. */
function isWithin(words: readonly string[], all: readonly string[]): boolean {
  let at = -1;
  for (const word of words) {
    at = all.indexOf(word, at + 1);
    if (at === -1) return false;
  }
  return words.length > 0;
}
