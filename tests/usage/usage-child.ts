import { withFileLock } from '../../src/state/file-lock.ts';
import { UsageLedger } from '../../src/usage/usage-ledger.ts';

// Usage: usage-child.ts <state folder> <key label> <records, or "forever">. For ever, it prints the time and the number
// recorded until then, again and again.
const [stateDir = '', keyLabel = '', count = '0'] = process.argv.slice(2);
const ledger = new UsageLedger({
  stateDir,
  zone: 'UTC',
  clock: Date.now,
  lock: withFileLock,
  log: { warn: (message, details) => console.log(message, details) },
});
const usage = { input: 10, cached: 5, output: 2, reasoning: 1 };
const record = (n: number) =>
  ledger.record({ at: Date.now(), keyLabel, account: 'u1', model: 'k3', session: `s${n % 5}`, usage });
if (count === 'forever') {
  let n = 0;
  setInterval(() => {
    for (let more = 0; more < 20; more++) record(n++);
    console.log(`${Date.now()} ${n}`);
  }, 10);
} else {
  for (let n = 0; n < Number(count); n++) {
    record(n);
    if (n % 50 === 0) await ledger.flush();
  }
  await ledger.close();
  console.log('done');
}
