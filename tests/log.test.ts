import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SecretSet } from '../src/core/text/secret-set.ts';
import { type LogOptions, logPath, openLog } from '../src/log.ts';
import { cleanUp } from './support/cleanup.ts';

async function newLog(options: Partial<LogOptions> = {}) {
  const stateDir = await mkdtemp(join(tmpdir(), 'kmi-log-'));
  cleanUp(() => rm(stateDir, { recursive: true, force: true }));
  const log = openLog({ stateDir, maxMb: 5, backups: 3, timezone: 'UTC', secrets: new SecretSet(), ...options });
  const path = logPath(stateDir);
  const text = async () => {
    await log.close();
    return readFile(path, 'utf8');
  };
  const lines = async () =>
    (await text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  return { log, path, text, lines };
}

describe('the log', () => {
  it('is JSON lines with level, time and message, in order', async () => {
    const { log, lines } = await newLog({ timezone: '+03:00' });
    log.info('one', { key_label: 'work', count: 2 });
    log.warn('two "quoted"\nlines');
    log.error('three');
    const ts = expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0300$/);
    expect(await lines()).toEqual([
      { level: 'info', ts, message: 'one', key_label: 'work', count: 2 },
      { level: 'warn', ts, message: 'two "quoted"\nlines' },
      { level: 'error', ts, message: 'three' },
    ]);
  });

  it('leaves out what is below its level', async () => {
    const { log, lines } = await newLog({ level: 'warn' });
    log.info('one');
    log.warn('two');
    expect((await lines()).map(({ message }) => message)).toEqual(['two']);
  });

  it('never holds a secret, wherever it slipped in and however it is written', async () => {
    const secrets = ['hunter2-token', 'zq"xw\\token', 'sk-kimi-aaaaaaaaaaaaaaaa'];
    const { log, lines, text } = await newLog({ secrets: new SecretSet(secrets) });
    for (const secret of secrets) {
      log.error(`refused ${secret}`, { reason: `with ${secret}`, nested: { deep: [secret] }, error: new Error(secret) });
    }
    log.warn('Authorization: Bearer abcdef.ghijkl', { body: 'key sk-kimi-bbbbbbbbbbbbbbbb of org-0123456789' });
    expect(await lines()).toHaveLength(4);
    const written = await text();
    for (const secret of ['hunter2', 'zq', 'xw', 'aaaa', 'bbbb', 'abcdef', '0123456789']) expect(written).not.toContain(secret);
  });

  it('learns of secrets that came later', async () => {
    const secrets = new SecretSet();
    const { log, text } = await newLog({ secrets });
    secrets.add('late-secret');
    log.info('got late-secret');
    expect(await text()).toContain('got ***');
  });

  it('that cannot be written stops nothing, and heals', async () => {
    const { log, path, lines } = await newLog();
    await mkdir(dirname(dirname(path)), { recursive: true });
    await writeFile(dirname(path), 'a file where the folder should be');
    log.info('lost');
    await log.close();
    await rm(dirname(path));
    log.info('kept');
    expect((await lines()).map(({ message }) => message)).toEqual(['lost', 'kept']);
  });

  it('is rotated at its size', async () => {
    const { log, path } = await newLog({ maxMb: 0.0002, backups: 1 });
    for (let n = 0; n < 8; n++) log.info(`line ${n} ${'x'.repeat(60)}`);
    await log.close();
    expect((await readFile(path, 'utf8')).length).toBeLessThanOrEqual(210);
    expect(await readFile(`${path}.1`, 'utf8')).toContain('line');
  });
});
