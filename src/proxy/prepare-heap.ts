import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** What the old generation may grow by before all of it is collected. */
const ROOM_BYTES = 96 * 1024 * 1024;

/**
 * Tells V8 what it cannot guess of a proxy. Call it once, with all loaded.
 *
 * The old generation may grow by some 100 MB, bodies included, between two full collections. Left to itself V8 makes room in
 * proportion to what lives, for a proxy of 15 MB about 20. It counts the memory of buffers as well, though, and of those
 * 32 MB gather before it looks for dead ones: under bodies of 88 KB it marks the whole heap again and again, which cost a
 * third of the processor time and pauses of 30 ms.
 *
 * And nothing is put into the old generation because others from the same place in the code survived: what survives here
 * belonged to a request under way, and one such guess keeps every later request alive until the next full collection.
 *
 * Nor are helpers woken for the young generation: so little of it lives that one thread is done before they are awake.
 */
export function prepareHeap(): void {
  const { used_heap_size: used } = getHeapStatistics();
  setFlagsFromString(`--heap-growing-percent=${Math.max(100, Math.round((100 * ROOM_BYTES) / used))}`);
  setFlagsFromString('--no-allocation-site-pretenuring');
  setFlagsFromString('--no-parallel-scavenge');
}
