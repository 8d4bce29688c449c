import type { Changes } from './client-environment.ts';

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

/** The shell whose syntax fits: by `$SHELL`, else PowerShell on Windows and the Bourne family elsewhere. */
export function detectShell(shellVariable: string | undefined, platform: NodeJS.Platform): Shell {
  const name =
    (shellVariable ?? '')
      .split(/[\\/]/)
      .at(-1)
      ?.replace(/\.exe$/i, '') ?? '';
  if (name === 'pwsh') return 'powershell';
  const known = SHELLS.find((shell) => shell === name);
  if (known !== undefined) return known;
  return name === '' && platform === 'win32' ? 'powershell' : 'bash';
}

type Syntax = { readonly set: (name: string, value: string) => string; readonly unset: (name: string) => string };

const bourne: Syntax = {
  set: (name, value) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
  unset: (name) => `unset ${name}`,
};

const SYNTAX: Readonly<Record<Shell, Syntax>> = {
  bash: bourne,
  zsh: bourne,
  fish: {
    set: (name, value) => `set -gx ${name} '${value.replace(/['\\]/g, '\\$&')}'`,
    unset: (name) => `set -e ${name}`,
  },
  powershell: {
    // PowerShell reads typographic quotes as quotes, too.
    set: (name, value) => `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, '$&$&')}'`,
    unset: (name) => `Remove-Item Env:${name} -ErrorAction SilentlyContinue`,
  },
};

/** One line a variable that makes the changes in that shell. */
export function renderExports(changes: Changes, shell: Shell): string[] {
  const { set, unset } = SYNTAX[shell];
  return [...changes].map(([name, value]) => (value === null ? unset(name) : set(name, value)));
}
