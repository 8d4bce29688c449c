import { rm, writeFile } from 'node:fs/promises';
import { withFileLock } from '../../src/state/file-lock.ts';

// Usage: lock-child.ts hold <path>
//        lock-child.ts rounds <path> <rounds> [die after this many]
const [mode, path = '', rounds = '0', dieAfter = 'never'] = process.argv.slice(2);

if (mode === 'hold') {
  await withFileLock(path, async () => {
    console.log('held');
    await new Promise(() => setInterval(() => undefined, 1000));
  });
}

// Only one process at a time may have this file; a process that died with it is named in it.
const inside = `${path}.inside`;

for (let round = 0; round < Number(rounds); round++) {
  await withFileLock(
    path,
    async () => {
      try {
        await writeFile(inside, String(process.pid), { flag: 'wx' });
      } catch {
        console.log('violated');
      }
      if (String(round) === dieAfter) {
        await rm(inside);
        process.kill(process.pid, 'SIGKILL');
      }
      await rm(inside);
    },
    { waitMs: 20_000 },
  );
}
console.log('done');
