import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';

const exec = promisify(execFile);

/** How each shell is started without a person's own files, and takes the script as the help says. */
const SHELLS = {
  bash: ['bash --norc --noprofile', 'source <(kmi completion bash)'],
  zsh: ['zsh -f', 'autoload -Uz compinit; compinit -u -D; source <(kmi completion zsh)'],
  fish: ['fish --no-config', 'kmi completion fish | source'],
} as const;

let home: TemporaryHome;
let env: Record<string, string>;

beforeAll(async () => {
  home = await temporaryHome();
  for (const label of ['ada', 'ben']) await home.addKey({ label });
  await writeFile(join(home.authsDir, 'odd.env'), 'KMI_API_KEY=sk-odd\nKMI_KEY_LABEL="it\'s my key"\n');
  const bin = join(home.root, 'bin');
  await mkdir(bin);
  const cli = resolve(import.meta.dirname, '../../dist/cli.js');
  await writeFile(join(bin, 'kmi'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`);
  await chmod(join(bin, 'kmi'), 0o755);
  env = { ...home.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
});

async function openShell(shell: keyof typeof SHELLS): Promise<Terminal> {
  const [program, setUp] = SHELLS[shell];
  const terminal = await openTerminal({ env, cwd: home.root });
  await terminal.type(`PATH='${env.PATH}' exec ${program}`);
  await terminal.type(`${setUp}; echo "set"" up"`);
  await terminal.waitFor(/^set up$/m);
  await terminal.type('clear');
  return terminal;
}

describe.each(['bash', 'zsh', 'fish'] as const)('%s, with Tab', (shell) => {
  it('completes commands, options and labels, and quotes a label for the shell', async ({ skip }) => {
    if (
      !(await exec('sh', ['-c', `command -v ${shell}`]).then(
        () => true,
        () => false,
      ))
    )
      skip();
    const terminal = await openShell(shell);
    await terminal.press('kmi res', 'Tab');
    await terminal.waitFor(/kmi restart *$/m);
    await terminal.paste('--fo');
    await terminal.press('Tab');
    await terminal.waitFor(/kmi restart --force *$/m);
    await terminal.press('C-c');
    await terminal.type('clear');
    await terminal.press('kmi config set KMI_DR', 'Tab', '1', 'Enter');
    await terminal.waitFor(/Wrote KMI_DRY_RUN=1 to/);
    await terminal.press('kmi config set KMI_ROTATE_S', 'Tab', 'qu', 'Tab', 'Enter');
    await terminal.waitFor(/Wrote KMI_ROTATE_STRATEGY=quota to/);
    await terminal.type('kmi config unset KMI_DRY_RUN KMI_ROTATE_STRATEGY');
    await terminal.waitFor(/Removed/);
    await terminal.type('clear');
    await terminal.press('kmi keys disable b', 'Tab');
    await terminal.waitFor(/kmi keys disable ben *$/m);
    await terminal.press('it', 'Tab', 'Enter');
    await terminal.waitFor(/it's my key/);
    await expect
      .poll(async () => {
        const { keys } = JSON.parse((await runKmi(['keys', 'list', '--json'], { env, cwd: home.root })).stdout);
        return keys.filter(({ disabled }: { disabled: boolean }) => disabled).map(({ label }: { label: string }) => label);
      })
      .toEqual(['ben', "it's my key"]);
    await runKmi(['keys', 'enable', 'ben', "it's my key"], { env, cwd: home.root });
  });
});
