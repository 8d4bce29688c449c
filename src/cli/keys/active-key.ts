import type { App } from '../../app.ts';

/** The place of the active key in the registry, as the proxy sees it: the first key until one was chosen, or when that one is gone. */
export function activeIndexOf({ registry, store }: Pick<App, 'registry' | 'store'>): number {
  const { activeKey, activeIndex } = store.state;
  if (activeKey === null) return Math.min(activeIndex, Math.max(registry.keys.length - 1, 0));
  return Math.max(
    registry.keys.findIndex(({ label }) => label === activeKey),
    0,
  );
}
