import { networkInterfaces } from 'node:os';

/** A tick this late means that the machine slept. */
const SLEEP_MS = 5_000;
const TICK_MS = 1_000;

export type ConnectionWatchOptions = {
  /** The machine slept, or is on another network: connections made before may be dead without a word. */
  readonly onDoubt: (why: 'slept' | 'network') => void;
  /** The machine's own addresses, as one text. */
  readonly addresses?: () => string;
  readonly clock?: () => number;
  readonly tickMs?: number;
};

/** Looks once a second whether connections that stand idle can still be trusted. Returns how to stop. */
export function watchConnections({
  onDoubt,
  addresses = ownAddresses,
  clock = Date.now,
  tickMs = TICK_MS,
}: ConnectionWatchOptions): () => void {
  let expectedAt = clock() + tickMs;
  let known = addresses();
  const timer = setInterval(() => {
    const now = clock();
    const found = addresses();
    if (now - expectedAt > SLEEP_MS) onDoubt('slept');
    else if (found !== known) onDoubt('network');
    expectedAt = now + tickMs;
    known = found;
  }, tickMs).unref();
  return () => clearInterval(timer);
}

/** Without the loopback's, and without link-local ones, which come and go with every interface. */
function ownAddresses(): string {
  const found: string[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, internal } of addresses ?? []) {
      if (!internal && !address.startsWith('fe80:')) found.push(`${name} ${address}`);
    }
  }
  return found.sort().join(', ');
}
