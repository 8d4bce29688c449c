// node --import tsx state-commands.mjs <state file> <own label> <seed> <commands> <shared labels, by comma>
// Does random state commands, each as a command does: open, change, save, close. Prints a line a command once it is on
// disk, and at the end what it has added in all.
import { Ledger } from '../../src/state/state-ledger.ts';
import { StateStore } from '../../src/state/store.ts';

const [path, own, seedText, countText, sharedText] = process.argv.slice(2);
const shared = sharedText.split(',');
let state = Number(seedText) >>> 0 || 1;

/** A whole number from 0 to `below` - 1; xorshift32. */
function draw(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state % below;
}

const added = Object.fromEntries([own, ...shared].map((label) => [label, 0]));
let block = null;
let cooldown = null;
const commands = countText === 'forever' ? Number.POSITIVE_INFINITY : Number(countText);

for (let n = 0; n < commands; n++) {
  const store = await StateStore.open({
    path,
    clock: Date.now,
    log: { warn: (message, details) => console.log('warning', message, details) },
  });
  const ledger = new Ledger(store);
  const what = draw(6);
  if (what <= 1) {
    const label = shared[draw(shared.length)];
    for (let times = draw(5) + 1; times > 0; times--) {
      ledger.answered(label, Date.now());
      added[label] += 1;
    }
  } else if (what === 2) {
    ledger.answered(own, Date.now());
    added[own] += 1;
  } else if (what === 3) {
    // Far enough off that no jump of the clock ends it.
    const until = (4_000_000_000 + draw(100_000)) * 1000;
    cooldown = draw(2) === 0 ? null : { until, reason: 'quota' };
    if (cooldown === null) ledger.clearCooldown(own);
    else ledger.penalize(own, { kind: 'cooldown', cooldown }, Date.now());
  } else if (what === 4) {
    block = draw(2) === 0 ? null : { until: null, reason: 'payment_required' };
    if (block === null) ledger.clearBlock(own);
    else ledger.penalize(own, { kind: 'block', block }, Date.now());
  } else {
    ledger.setActive(shared[draw(shared.length)], 0);
  }
  await store.save();
  await store.close();
  console.log(JSON.stringify({ added, block, cooldown }));
}
console.log('done');
