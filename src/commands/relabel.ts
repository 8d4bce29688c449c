import type { App } from '../app.ts';
import { movedLabels } from '../keys/label.ts';
import { loadRegistry, type Registry } from '../keys/registry.ts';
import { saveState } from './save-state.ts';

/**
 * After an auth file was changed: reads the folder again and carries the state of keys whose label changed. Labels nobody has any
 * more are forgotten. Answers the folder as it is now. Throws `state_unusable`.
 */
export async function followAuthFiles(app: App): Promise<Registry> {
  const { registry: before, store, ledger } = app;
  const after = await loadRegistry(app.config);
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
  return after;
}
