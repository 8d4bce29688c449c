import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';

/** `kmi notify-test`: sends one notice where KMI_NOTIFY says, as a proxy would. Throws `bad_usage` without it, `notice_not_sent`. */
export const run: Command<object> = async ({ config, environment, out }) => {
  if (config.notify === '') {
    throw new KmiError('bad_usage', 'KMI_NOTIFY is not set, so a notice has nowhere to go.', {
      hint: '`kmi config set KMI_NOTIFY desktop` shows notices on the desktop; `kmi config set KMI_NOTIFY` asks for the URL of a webhook.',
    });
  }
  const [{ createSender }, { testNotice }, { Upstreams }, { plainPost }] = await Promise.all([
    import('../../../notify/send.ts'),
    import('../../../notify/notices.ts'),
    import('../../../proxy/upstream/upstreams.ts'),
    import('../../../proxy/upstream/plain-post.ts'),
  ]);
  const upstreams = new Upstreams(config, environment);
  try {
    const post: Parameters<typeof createSender>[1]['post'] = (url, body, options) => plainPost(upstreams, url, body, options);
    const sender = createSender(config.notify, { environment, post });
    const problem = await sender.send(testNotice(Date.now()));
    if (problem !== null)
      throw new KmiError('notice_not_sent', `The notice did not reach ${placeOf(sender.target)}: ${problem}.`);
    out(`A test notice was sent to ${placeOf(sender.target)}.`);
    return 0;
  } finally {
    await upstreams.destroy();
  }
};

function placeOf(target: string): string {
  return target === 'desktop' ? 'the desktop' : target;
}
