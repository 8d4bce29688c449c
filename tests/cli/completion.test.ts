import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { namesOf } from '../../src/cli/command/command-row.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';
import { linesOf, traceEvents } from '../trace/event-fixture.ts';

const exec = promisify(execFile);

let home: TemporaryHome;
let env: Record<string, string>;
const scripts: Record<string, string> = {};
const scriptPath = (shell: string) => join(home.root, `kmi.${shell}`);

beforeAll(async () => {
  home = await temporaryHome();
  for (const label of ['ada', 'ben', 'cleo@example.test']) await home.addKey({ label });
  await writeFile(join(home.authsDir, 'odd.env'), 'KMI_API_KEY=sk-odd\nKMI_KEY_LABEL="it\'s my key"\n');
  const bin = join(home.root, 'bin');
  await mkdir(bin);
  await writeFile(
    join(bin, 'kmi'),
    `#!/bin/sh\nexec '${process.execPath}' '${resolve(import.meta.dirname, '../../dist/cli.js')}' "$@"\n`,
  );
  await chmod(join(bin, 'kmi'), 0o755);
  env = { ...home.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  await mkdir(join(home.stateDir, 'trace'), { recursive: true });
  await writeFile(join(home.stateDir, 'trace', 'trace.jsonl'), linesOf(traceEvents(2)));
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout, stderr } = await runKmi(['completion', shell], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    scripts[shell] = stdout;
    await writeFile(scriptPath(shell), stdout);
  }
});

/** What bash would offer for the line with the cursor at its end. */
async function offered(line: string): Promise<string[]> {
  const program = `
    source "$1"
    COMP_LINE="$2" COMP_POINT=\${#2}
    word="\${2##* }"
    _kmi kmi "\${word##*=}"
    [ "\${#COMPREPLY[@]}" -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await exec('bash', ['-c', program, 'bash', scriptPath('bash'), line], { env, cwd: home.root });
  return stdout.split('\n').filter((candidate) => candidate !== '');
}

describe('bash', () => {
  it.each([
    ['kmi pro', ['proxy', 'proxy-stop', 'proxy-restart', 'proxy-logs']],
    ['kmi --plain stat', ['status']],
    ['kmi keys ', ['list', 'ls', 'add', 'remove', 'rm', 'disable', 'enable', 'rename', 'set', 'test']],
    ['kmi keys rm ', ['ada', 'ben', 'cleo@example.test', "it\\'s\\ my\\ key"]],
    ['kmi st', ['start', 'stop', 'status']],
    ['kmi logs --no-f', ['--no-follow']],
    ['kmi rotate on --strategy st', ['sticky']],
    ['kmi rotate ', ['auto', 'on', 'off']],
    ['kmi keys remove ', ['ada', 'ben', 'cleo@example.test', "it\\'s\\ my\\ key"]],
    ['kmi keys remove ada b', ['ben']],
    ['kmi keys rename b', ['ben']],
    ['kmi why ', ['last', '00000001', '00000000']],
    ['kmi why l', ['last']],
    ['kmi trace --key a', ['ada']],
    ['kmi trace --key=a', ['ada']],
    ['kmi trace --la', ['--last']],
    ['kmi completion ', ['bash', 'zsh', 'fish']],
    ['kmi help ke', ['keys']],
    ['kmi status --j', ['--json']],
    ['kmi init --a', ['--auto-rotate']],
    ['kmi rotate auto --s', ['--strategy']],
    ['kmi rotate auto --strategy ', ['round-robin', 'sticky', 'quota', 'weighted', 'setting']],
    ['kmi rotate auto --strategy=st', ['sticky']],
    ['kmi init --strategy q', ['quota']],
    ['kmi --hea', ['--health']],
    ['kmi config ', ['list', 'show', 'set', 'unset', 'get']],
    ['kmi config set KMI_DR', ['KMI_DRY_RUN']],
    ['kmi config unset KMI_DRY_RUN KMI_LOC', ['KMI_LOCALE']],
    ['kmi config set KMI_DRY_RUN ', ['0', '1']],
    ['kmi config set KMI_ROTATE_STRATEGY st', ['sticky']],
    ['kmi config set KMI_NOTIFY ', ['desktop', 'off']],
    ['kmi config set KMI_AUTHS_DIR _au', ['_auths']],
    ['kmi config set KMI_LOG_MAX_MB ', ['--here', '-h', '--help', '--plain', '--no-color']],
    ['kmi nothing-like-it', []],
  ])('offers for "%s" what fits there', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });

  it('offers every command, and no hidden option', async () => {
    const tops = COMMANDS.flatMap(namesOf).filter((name) => !name.includes(' '));
    expect(await offered('kmi ')).toEqual([...tops, 'help']);
    expect(await offered('kmi keys add --k')).toEqual([]);
  });

  it('offers programs behind `kmi run --`', async () => {
    expect(await offered('kmi run -- bas')).toContain('bash');
  });

  it('completes in a real terminal, also a label with @ in it', async () => {
    const terminal = await openTerminal({ env, cwd: home.root });
    await terminal.type(`PATH='${env.PATH}' exec bash --norc --noprofile`);
    await terminal.type('source kmi.bash; clear');
    for (const key of ['kmi keys re', 'n', 'Tab', 'cleo@ex', 'Tab'])
      await terminal.press(key === 'Tab' ? key : key.replaceAll(' ', ' '));
    await terminal.waitFor(/kmi keys rename cleo@example\.test$/m);
    await terminal.press('C-u');
    await terminal.press('kmi sto', 'Tab');
    await terminal.waitFor(/kmi stop *$/m);
    await terminal.paste('--fo');
    await terminal.press('Tab');
    await terminal.waitFor(/kmi stop --force *$/m);
  });
});

/** Whether a program is installed. */
async function has(program: string): Promise<boolean> {
  return exec('which', [program]).then(
    () => true,
    () => false,
  );
}

describe.each(['zsh', 'fish'])('%s', (shell) => {
  it('gets a script that names every command, flag and where labels come from', () => {
    const script = scripts[shell] as string;
    for (const name of COMMANDS.flatMap(namesOf))
      expect(script).toContain(`'${name}'`.replace(/^'(.*)'$/, shell === 'fish' ? '$1' : "'$1'"));
    expect(script).toContain(shell === 'fish' ? 'kmi completion --requests' : 'labels | requests)');
    expect(script).toContain(shell === 'fish' ? '-l json' : "'--json:");
  });

  it('offers the strategies where one is asked for', () => {
    expect(scripts[shell]).toMatch(/strategy.*round-robin sticky quota weighted/);
  });

  it('the script has no syntax error, where the shell is installed', async ({ skip }) => {
    if (!(await has(shell))) skip();
    await exec(shell, ['-n', scriptPath(shell)]);
  });
});

it('fish offers the labels of keys, where it is installed', async ({ skip }) => {
  if (!(await has('fish'))) skip();
  const program = `source ${scriptPath('fish')}; complete -C'kmi keys remove '`;
  const { stdout } = await exec('fish', ['--no-config', '-c', program], { env, cwd: home.root });
  expect(stdout.trim().split('\n')).toEqual(['ada', 'ben', 'cleo@example.test', "it's my key"]);
});

it('fish offers the names people guess, where it is installed', async ({ skip }) => {
  if (!(await has('fish'))) skip();
  const program = `source ${scriptPath('fish')}; complete -C'kmi sto'; complete -C'kmi keys r'; complete -C'kmi keys rm '`;
  const { stdout } = await exec('fish', ['--no-config', '-c', program], { env, cwd: home.root });
  const words = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0]);
  expect(words.toSorted()).toEqual(['ada', 'ben', 'cleo@example.test', "it's my key", 'remove', 'rename', 'rm', 'stop']);
});

it('fish offers settings and their values, where it is installed', async ({ skip }) => {
  if (!(await has('fish'))) skip();
  const lines = [
    'kmi config set KMI_DRY',
    'kmi config set KMI_DRY_RUN ',
    'kmi config set KMI_LOCALE e',
    'kmi config unset KMI_DRY_RUN ',
  ];
  const program = `source ${scriptPath('fish')}; ${lines.map((line) => `complete -C'${line}' | string join ,`).join('; ')}`;
  const { stdout } = await exec('fish', ['--no-config', '-c', program], { env, cwd: home.root });
  expect(stdout.trim().split('\n')).toEqual([
    'KMI_DRY_RUN',
    '0,1',
    'en',
    expect.stringMatching(/^KMI_AUDIT_ACTOR,.*,KMI_WRITE_CONFIG$/),
  ]);
});

it('zsh offers the names people guess, where it is installed', async ({ skip }) => {
  if (!(await has('zsh'))) skip();
  const terminal = await openTerminal({ env, cwd: home.root });
  await terminal.type(`PATH='${env.PATH}' exec zsh -f`);
  await terminal.type('autoload -Uz compinit; compinit -u -D; source kmi.zsh; clear');
  await terminal.press('kmi sto', 'Tab');
  await terminal.waitFor(/kmi stop *$/m);
  await terminal.paste('--fo');
  await terminal.press('Tab');
  await terminal.waitFor(/kmi stop --force *$/m);
});

it('fish offers the newest requests, where it is installed', async ({ skip }) => {
  if (!(await has('fish'))) skip();
  const program = `source ${scriptPath('fish')}; complete -C'kmi why '`;
  const { stdout } = await exec('fish', ['--no-config', '-c', program], { env, cwd: home.root });
  expect(stdout.trim().split('\n').toSorted()).toEqual(['00000000', '00000001', 'last']);
});

it('every quote of a script is closed, whatever a summary holds', () => {
  for (const shell of ['zsh', 'fish']) {
    for (const line of (scripts[shell] as string).split('\n')) {
      if (line.trimStart().startsWith('#')) continue;
      const bare = shell === 'fish' ? line.replace(/\\[\\']/g, '') : line.replaceAll("'\\''", '');
      expect([line, (bare.match(/'/g) ?? []).length % 2]).toEqual([line, 0]);
    }
  }
});

it('--labels prints the labels, one a line, and nothing where there are none', async () => {
  const labels = await runKmi(['completion', '--labels'], { env });
  expect(labels).toMatchObject({ code: 0, stdout: "ada\nben\ncleo@example.test\nit's my key\n", stderr: '' });
  expect(await runKmi(['completion', '--labels'], { env: { HOME: home.root } })).toMatchObject({ code: 0, stdout: '' });
});

it('without a name the shell is that of $SHELL; an unknown one is a usage error', async () => {
  expect((await runKmi(['completion'], { env: { ...env, SHELL: '/usr/bin/fish' } })).stdout).toBe(scripts.fish);
  expect((await runKmi(['completion'], { env })).stdout).toBe(scripts.bash);
  const { code, stdout, stderr } = await runKmi(['completion', 'tcsh'], { env });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('bash, zsh, fish');
});
