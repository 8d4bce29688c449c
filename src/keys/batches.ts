/** Side by side, but so that ten thousand files do not mean ten thousand open files. */
const BATCH = 32;

/**
 * Like `Promise.all(items.map(...))`, at most 32 at a time; results keep the items' order. Not p-limit: it makes its promises for all
 * items at once, which for 10,000 files takes 12 MB and 40 ms beside the reading, and a proxy looks at its files over and over.
 */
export async function mapInBatches<Item, Result>(
  items: readonly Item[],
  convert: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += BATCH) {
    results.push(...(await Promise.all(items.slice(start, start + BATCH).map(convert))));
  }
  return results;
}
