import { DESKTOP, shownNotifyTarget } from '../config/notify-target.ts';
import type { Notice } from './notices.ts';
import type { Post } from './webhook.ts';

export type Sender = {
  /** As people may see it: `desktop`, or scheme and host of a webhook. */
  readonly target: string;
  /** Sends a notice; null when it went, else why not, in words without a secret. Never rejects. */
  send(notice: Notice, signal?: AbortSignal): Promise<string | null>;
};

/** `target`: the value of KMI_NOTIFY, not empty. */
export function createSender(
  target: string,
  { environment, post }: { readonly environment: Readonly<Record<string, string | undefined>>; readonly post: Post },
): Sender {
  const send: Sender['send'] =
    target === DESKTOP
      ? async ({ text }) => (await import('./desktop.ts')).showOnDesktop(text, environment)
      : async (notice, signal) => (await import('./webhook.ts')).postNotice(target, notice, post, signal);
  return { target: shownNotifyTarget(target), send };
}
