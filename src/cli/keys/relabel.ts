import type { App } from '../../app.ts';
import { loadKeys } from '../../app-keys.ts';
import { movedLabels } from '../../keys/label.ts';
import type { Registry } from '../../keys/registry.ts';
import { saveState } from '../command/save-state.ts';

/**
 * After an auth file or a login was changed: reads them again and carries the state of keys whose label changed. Labels that no key
 * has any more are forgotten. `before`: the keys before the change. Returns them as they are now, and the labels that changed, old to new. Throws `state_unusable`.
 */
export async function followAuthFiles(
  app: App,
  before: Registry = app.registry,
): Promise<{ readonly registry: Registry; readonly moved: ReadonlyMap<string, string> }> {
  const { store, ledger } = app;
  const after = await loadKeys(app.config);
  const moved = movedLabels(before.keys, after.keys);
  const active = store.state.activeKey;
  ledger.relabelled(moved);
  for (const { label } of before.keys) {
    if (!after.byLabel.has(label) && !moved.has(label)) ledger.forget(label);
  }
  for (const { label, hash } of after.keys) {
    // A label that belonged to another key, maybe long ago: its errors and blocks are not this one's.
    if (!before.keys.some((key) => key.hash === hash)) ledger.forget(label);
  }
  const renamed = active === null ? undefined : moved.get(active);
  if (renamed !== undefined) {
    const index = after.keys.findIndex(({ label }) => label === renamed);
    ledger.setActive(renamed, index);
  }
  await saveState(app);
  return { registry: after, moved };
}

/** Reports labels that changed unasked: if two keys share a label, the second has a suffix until the first is gone. */
export function sayMoved(moved: ReadonlyMap<string, string>, asked: string | null, err: (line: string) => void): void {
  for (const [from, to] of moved) if (from !== asked) err(`Note: the key called ${from} is now ${to}, as its auth file has it.`);
}
