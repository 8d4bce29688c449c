import { describe, expect, it, test } from 'vitest';
import { namesOf } from '../../src/cli/command/command-row.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { GUESSES } from '../../src/cli/guesses.ts';
import { inOwnWords } from '../../src/cli/spellings.ts';
import { temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

describe('names people guess', () => {
  it.each([
    [['start'], ['proxy']],
    [
      ['proxy-stop', '-f'],
      ['stop', '-f'],
    ],
    [
      ['--plain', 'proxy-restart', '-y'],
      ['--plain', 'restart', '-y'],
    ],
    [
      ['proxy-logs', '-n', '5'],
      ['logs', '-n', '5'],
    ],
    [
      ['keys', '--plain', 'ls'],
      ['keys', 'list', '--plain'],
    ],
    [
      ['keys', 'rm', 'a', '--purge'],
      ['keys', 'remove', 'a', '--purge'],
    ],
    [
      ['rotate', 'on', '--strategy', 'sticky'],
      ['rotate', 'auto', '--strategy', 'sticky'],
    ],
    [
      ['help', 'keys', 'rm'],
      ['help', 'keys', 'remove'],
    ],
    [
      ['--status', '--json'],
      ['status', '--json'],
    ],
    [
      ['--auto_rotate', '--strategy', 'quota'],
      ['rotate', 'auto', '--strategy', 'quota'],
    ],
    [['-V'], ['-v']],
    // What belongs to another program stays its own.
    [
      ['run', '--', 'stop'],
      ['run', '--', 'stop'],
    ],
    [
      ['kimi', '-V'],
      ['kimi', '-V'],
    ],
    [
      ['kimi', 'start', 'logs'],
      ['kimi', 'start', 'logs'],
    ],
    [
      ['keys', 'remove', 'rm'],
      ['keys', 'remove', 'rm'],
    ],
  ])('%j is read as %j', (given, own) => {
    expect(inOwnWords(given).filter((arg) => arg !== '--plain')).toEqual(own.filter((arg) => arg !== '--plain'));
    expect(inOwnWords(given).toSorted()).toEqual(own.toSorted());
  });

  it('each names one command only, and stands in the help of that', async () => {
    const names = COMMANDS.flatMap(namesOf);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, aliases = [] } of COMMANDS) {
      for (const alias of aliases) {
        const { code, stdout } = await runKmi([...alias.split(' '), '--help']);
        expect(code).toBe(0);
        expect(stdout).toMatch(new RegExp(`^Usage: kmi ${name}( |$)`, 'm'));
        expect(stdout).toMatch(new RegExp(`^Also: .*kmi ${alias}(,|$)`, 'm'));
      }
    }
  });

  it('the version is told by every word for it', async () => {
    for (const args of [['version'], ['-v'], ['-V'], ['--version'], ['--plain', '-v']]) {
      expect(await runKmi(args)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
    }
  });

  it('`kmi trace -n` prints the newest requests and ends, as --last does', async () => {
    const home = await temporaryHome();
    expect(await runKmi(['trace', '-n', '3'], { env: home.env })).toMatchObject({ code: 0, stdout: '' });
  });
});

test('every word people guess leads to a command line there is', () => {
  const names = COMMANDS.flatMap((row) => namesOf(row).map((name) => ({ name, row })));
  for (const [word, commandLine] of Object.entries(GUESSES)) {
    const typed = commandLine.replace(/^kmi /, '');
    const [longest] = names
      .filter(({ name }) => `${typed} `.startsWith(`${name} `))
      .toSorted((a, b) => b.name.length - a.name.length);
    expect([word, longest?.name]).toEqual([word, expect.any(String)]);
    const [option] = /--\w[\w-]*/.exec(typed) ?? [];
    if (option !== undefined) expect(longest?.row.options?.map(({ flags }) => flags)).toContain(option);
    expect(names.map(({ name }) => name)).not.toContain(word);
  }
});

/** What was typed, what is said of it, and the command line that is offered. */
test.each([
  ['x', '`kmi` has no command "x".', null],
  ['help x', '`kmi` has no command "x".', null],
  ['help statsu', '`kmi` has no command "statsu".', 'kmi status'],
  ['help keys lst', '`kmi keys` has no subcommand "lst".', 'kmi keys list'],
  ['statsu', '`kmi` has no command "statsu".', 'kmi status'],
  ['lgos', '`kmi` has no command "lgos".', 'kmi logs'],
  ['add', '`kmi` has no command "add".', 'kmi keys add'],
  ['proxi stop', '`kmi` has no command "proxi".', 'kmi stop'],
  ['proxystop', '`kmi` has no command "proxystop".', 'kmi stop'],
  ['rotate_auto', '`kmi` has no command "rotate_auto".', 'kmi rotate auto'],
  ['proxy stop', '`kmi proxy` takes no arguments, but got "stop".', 'kmi stop'],
  ['proxy logs', '`kmi proxy` takes no arguments, but got "logs".', 'kmi logs'],
  ['proxy foreground', '`kmi proxy` takes no arguments, but got "foreground".', 'kmi proxy --foreground'],
  ['start foreground', '`kmi proxy` takes no arguments, but got "foreground".', 'kmi proxy --foreground'],
  ['status json', '`kmi status` takes no arguments, but got "json".', 'kmi status --json'],
  ['usage today', '`kmi usage` takes no arguments, but got "today".', 'kmi usage --since today'],
  ['usage day', '`kmi usage` takes no arguments, but got "day".', 'kmi usage --by day'],
  ['keys ad', '`kmi keys` has no subcommand "ad".', 'kmi keys add'],
  ['keys status', '`kmi keys` has no subcommand "status".', 'kmi status'],
  ['rotate now', '`kmi rotate` has no subcommand "now".', null],
  ['rotate sticky', '`kmi rotate` has no subcommand "sticky".', 'kmi rotate auto --strategy sticky'],
  ['rotate auto sticky', '`kmi rotate auto` takes no arguments, but got "sticky".', 'kmi rotate auto --strategy sticky'],
  ['rotate on quota', '`kmi rotate auto` takes no arguments, but got "quota".', 'kmi rotate auto --strategy quota'],
  ['env fish', '`kmi env` takes no arguments, but got "fish".', 'kmi env --shell fish'],
  ['live', '`kmi` has no command "live".', 'kmi config set KMI_DRY_RUN 0'],
  ['dashboard', '`kmi` has no command "dashboard".', 'kmi watch'],
  ['keys delete', '`kmi keys` has no subcommand "delete".', 'kmi keys remove'],
  ['config edit', '`kmi config` has no subcommand "edit".', 'kmi config set'],
  ['config KMI_DRY_RUN', '`kmi config` has no subcommand "KMI_DRY_RUN".', 'kmi config get KMI_DRY_RUN'],
  ['config KMI_DRY_RUN=0', '`kmi config` has no subcommand "KMI_DRY_RUN=0".', 'kmi config set KMI_DRY_RUN=0'],
  ['config KMI_DRY_RUN 0', '`kmi config` has no subcommand "KMI_DRY_RUN".', 'kmi config set KMI_DRY_RUN 0'],
  ['config unste', '`kmi config` has no subcommand "unste".', 'kmi config unset'],
  ['health --jsn', '`kmi health` has no option --jsn.', 'kmi health --json'],
  ['keys add --prio 3', '`kmi keys add` has no option --prio.', 'kmi keys add --priority'],
  ['rotate --strategy sticky', '`kmi rotate` has no option --strategy.', 'kmi rotate auto --strategy'],
  ['--json status', '`kmi` has no option --json.', 'kmi status --json'],
  ['--foreground', '`kmi` has no option --foreground.', 'kmi proxy --foreground'],
  ['--statsu', '`kmi` has no option --statsu.', 'kmi status'],
  ['--status --jsn', '`kmi status` has no option --jsn.', 'kmi status --json'],
  ['status --nothing', '`kmi status` has no option --nothing.', null],
  ['keys add a b', '`kmi keys add` takes fewer arguments: "b" is one too many.', null],
  ['keys remove', '`kmi keys remove` needs <label...>.', null],
  ['e2e -n', 'The option -n, --requests <count> of `kmi e2e` needs a value.', null],
  ['run --nonsense x', '`kmi run` has no option --nonsense.', null],
] as const)('`kmi %s` is a usage error that names what was typed and what to type', async (line, words, meant) => {
  const { code, stdout, stderr } = await runKmi(line.split(' '));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  const [said, hint] = stderr.split('\n');
  expect(said).toBe(`kmi: ${words}`);
  expect(hint).toMatch(meant === null ? /^ {5}For example: `kmi .*`\. See `kmi .*--help`\.$/ : /^ {5}Did you mean/);
  if (meant !== null) expect(hint).toContain(`\`${meant}\``);
  expect(stderr).not.toContain('error:');
});

it('what is offered can be typed', async () => {
  for (const line of [
    'keys list --help',
    'logs --help',
    'rotate auto --strategy sticky --help',
    'usage --by day',
    'env --shell fish',
  ]) {
    expect([line, (await runKmi(line.split(' '))).code]).toEqual([line, 0]);
  }
});

it('only one mode stands on a line, and none beside a command', async () => {
  const two = await runKmi(['--status', '--health']);
  expect(two).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('kmi: Only one mode at a time') });
  const beside = await runKmi(['--health', 'status']);
  expect(beside).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('cannot stand beside') });
});

it.each([
  [['usage', '--by', 'foo'], 'kmi usage'],
  [['usage', '--since', 'lately'], 'kmi usage'],
  [['rotate', 'auto', '--strategy', 'fair'], 'kmi rotate auto'],
  [['trace', '--last', 'many'], 'kmi trace'],
  [['proxy', '--daemon', '--foreground'], 'kmi proxy'],
  [['init', '--live', '--dry-run'], 'kmi init'],
  [['keys', 'add', '--priority', 'high'], 'kmi keys add'],
])('%j points to the help of its own command', async (args, command) => {
  const { code, stderr } = await runKmi(args);
  expect(code).toBe(2);
  expect(stderr).toContain(`See \`${command} --help\`.`);
});

it.each([
  [['sk-kimi-abcdefghijklmnop123']],
  [['status', 'sk-kimi-abcdefghijklmnop123']],
  [['keys', 'sk-kimi-abcdefghijklmnop123']],
  [['keys', 'add', 'work', 'sk-kimi-abcdefghijklmnop123']],
  [['help', 'sk-kimi-abcdefghijklmnop123']],
  [['status', '--sk-kimi-abcdefghijklmnop123']],
  [['status', '--key=sk-kimi-abcdefghijklmnop123']],
  [['stats', 'mopqrstuvwxyz0123456789abcdefghij']],
  [['0123456789abcdef0123456789abcdef']],
])('%j is refused without repeating what may be a key', async (args) => {
  const { code, stdout, stderr } = await runKmi(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toMatch(/abcdef|mopqr/);
});
