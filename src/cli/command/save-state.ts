import type { App } from '../../app.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { statePath } from '../../state/store.ts';

/** Saves what the command changed, before it says that it did. Throws `state_unusable`. */
export async function saveState({ store, config }: Pick<App, 'store' | 'config'>): Promise<void> {
  try {
    await store.save();
  } catch (error) {
    if (error instanceof KmiError) throw error;
    throw new KmiError('state_unusable', `The state file ${statePath(config.stateDir)} cannot be written (${reasonOf(error)}).`, {
      cause: error,
    });
  }
}
