import { addTo, type KeyChange } from '../../src/state/changes.ts';
import { StateStore } from '../../src/state/store.ts';

// Usage: store-child.ts <path> <increments, or "forever">
const [path = '', count = '0'] = process.argv.slice(2);
const store = await StateStore.open({
  path,
  clock: Date.now,
  log: { warn: (message, details) => console.log(message, details) },
});
const total = count === 'forever' ? Number.POSITIVE_INFINITY : Number(count);
for (let n = 0; n < total; n++) {
  const change: KeyChange = {};
  addTo(change, 'requests', 1);
  store.changeKey('shared', change);
  store.changeKey(`own-${process.pid}`, change);
  if (n % 7 === 0 || count === 'forever') await store.save();
  if (n === 0 && count === 'forever') console.log('began');
}
await store.close();
console.log('done');
