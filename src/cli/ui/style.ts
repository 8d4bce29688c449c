import type { Config } from '../../config/settings.ts';

/** Text by meaning. Colour only says what the words say too, so everything reads without it. */
export type Style = {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly accent: (text: string) => string;
  readonly reverse: (text: string) => string;
  readonly hasColor: boolean;
  /** Only ASCII: no boxes, bars or marks. */
  readonly isPlain: boolean;
};

export function createStyle({ color, plain }: { readonly color: boolean; readonly plain: boolean }): Style {
  const paint = (open: number, close: number) =>
    color ? (text: string) => `\u001b[${open}m${text}\u001b[${close}m` : (text: string) => text;
  return {
    good: paint(32, 39),
    warn: paint(33, 39),
    bad: paint(31, 39),
    strong: paint(1, 22),
    dim: paint(2, 22),
    accent: paint(36, 39),
    reverse: paint(7, 27),
    hasColor: color,
    isPlain: plain,
  };
}

/**
 * Whether the terminal is one for ASCII only, by its locale: `LANG=C` is, and so is one of an older code page. Without a locale, as
 * on most machines without a desktop, terminals show Unicode all the same.
 */
export function isAsciiOnly(environment: Readonly<Record<string, string | undefined>>): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = environment;
  const locale = LC_ALL || LC_CTYPE || LANG || '';
  return locale !== '' && !/utf-?8/i.test(locale);
}

/** Whether to colour: never when asked not to or into a file or pipe, unless `FORCE_COLOR` says so. */
export function wantsColor(
  config: Pick<Config, 'noColor' | 'plain'>,
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if (config.noColor || config.plain) return false;
  const forced = environment.FORCE_COLOR ?? '';
  if (forced !== '' && forced !== '0') return true;
  return stream.isTTY === true && environment.TERM !== 'dumb';
}
