import { anthropicUrl, CLAUDE_DETOURS } from '../core/clients/client-flags.ts';
import type { ClaudeSetting } from './claude-settings.ts';

/** The settings by which Claude Code would pass the proxy by: another base URL, another provider altogether. */
export function leadingElsewhere(settings: ReadonlyMap<string, ClaudeSetting>, url: string): readonly ClaudeSetting[] {
  const base = settings.get('ANTHROPIC_BASE_URL');
  const detours = CLAUDE_DETOURS.flatMap((name) => settings.get(name) ?? []).filter(({ value }) => isOn(value));
  return [...(base === undefined || isSame(base.value, anthropicUrl(url)) ? [] : [base]), ...detours];
}

/** Claude Code's own credentials would be sent in the place of the proxy's token. */
export function hasCredentials(settings: ReadonlyMap<string, ClaudeSetting>): boolean {
  return settings.has('ANTHROPIC_AUTH_TOKEN') || settings.has('ANTHROPIC_API_KEY');
}

function isOn(value: string): boolean {
  return !['', '0', 'false', 'no', 'off'].includes(value.trim().toLowerCase());
}

function isSame(a: string, b: string): boolean {
  return a.trim().replace(/\/+$/, '') === b;
}

/** `api.kimi.com` of a base URL; what it says otherwise is not repeated. */
export function hostIn(value: string): string {
  return URL.canParse(value) ? new URL(value).host : 'an address that is no URL';
}
