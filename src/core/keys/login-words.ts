import type { LoginKind } from './key.ts';

/** Whose login it is, for people. */
export const LOGIN_CLIENTS: Readonly<Record<LoginKind, string>> = {
  own: 'kmi',
  'kimi-code': 'Kimi Code',
  'kimi-cli': 'kimi-cli',
};

/** What a person does about a login that is over, as a sentence with the command. */
export function howToRenew(label: string, kind: LoginKind): string {
  switch (kind) {
    case 'own':
      return `\`kmi login --label ${label}\` logs in again.`;
    case 'kimi-code':
      return 'Log in again in Kimi Code: `kimi login`.';
    case 'kimi-cli':
      return `kmi cannot renew a login of kimi-cli: \`kmi login --label ${label}\` makes one of its own.`;
  }
}
