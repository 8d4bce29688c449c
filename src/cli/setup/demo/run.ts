import { defaultConfig } from '../../../config/settings.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import { serve } from '../../../serving/serve.ts';
import type { Command } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { openSimulatedApp, SIMULATED_ACCOUNTS } from '../../proxy/simulated-app.ts';
import { NO_ANSWER } from '../../words/trace-text.ts';

const CHATS = 6;
/** Ben has quota for this many chats; the demo sends him more. */
const BENS_QUOTA = 1;

/** `kmi demo`: simulated accounts, the real proxy, streamed chats; one account runs into its limit on the way. */
export const run: Command<Record<string, never>> = async (context) => {
  const { environment, out, style } = context;
  const events: TraceEvent[] = [];
  const simulated = await openSimulatedApp(
    // Limits, tokens and addresses of the person's own proxy are not the demo's.
    { ...defaultConfig(), proxyListen: { host: '127.0.0.1', port: 0 }, traceMaxMb: 0 },
    { environment, onTrace: (event) => events.push(event) },
  );
  simulated.simulator.account('ben').setQuota({ fiveHour: { limit: BENS_QUOTA, used: 0 } });
  const serving = await serve(simulated.app);
  try {
    tell(
      context,
      `A simulated Kimi API with the accounts ${SIMULATED_ACCOUNTS.join(', ')}; ${style.warn(`ben has quota for ${BENS_QUOTA} chat.`)}`,
    );
    tell(context, `The proxy in front of it serves ${style.accent(serving.proxy.baseUrl)} in round-robin.`);
    out('');
    let seen = 0;
    for (let n = 1; n <= CHATS; n++) {
      process.stdout.write(`${style.dim(`chat ${n}  client sees:`)} `);
      const status = await streamChat(serving.proxy.baseUrl, n, (text) => process.stdout.write(text));
      out('');
      const event = await nextEvent(events, seen);
      seen += 1;
      tell(context, describe(event, status, style));
    }
    out('');
    const failures = events.filter(({ status }) => status >= 400).length;
    const rescued = events.filter(({ tried }) => tried !== undefined).length;
    tell(
      context,
      failures === 0 && rescued > 0
        ? style.good(`${CHATS} of ${CHATS} chats were answered. ben reached its limit, and the client did not notice.`)
        : style.bad(`${failures} of ${CHATS} chats failed, ${rescued} went over to another key.`),
    );
    tell(context, 'Next: `kmi init` sets kmi up with a key of your own.');
    return failures === 0 && rescued > 0 ? 0 : 1;
  } finally {
    await serving.stop();
    await simulated.close();
  }
};

function describe(
  event: TraceEvent,
  status: number,
  style: { dim(text: string): string; warn(text: string): string; strong(text: string): string },
): string {
  const detour = (event.tried ?? []).map(({ key_label, status: refused, verdict }) =>
    style.warn(`${key_label} refused it (${refused ?? NO_ANSWER}, ${verdict}), so `),
  );
  return `${style.dim('        served by:')} ${detour.join('')}${style.strong(event.key_label)}${style.dim(`  ${status}, ${event.latency_ms} ms`)}`;
}

async function streamChat(baseUrl: string, n: number, onText: (text: string) => void): Promise<number> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer demo' },
    body: JSON.stringify({
      model: 'kimi-for-coding',
      stream: true,
      messages: [{ role: 'user', content: `Say hello, please (chat ${n}).` }],
    }),
  });
  const decoder = new TextDecoder();
  let carry = '';
  for await (const chunk of response.body ?? []) {
    carry += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = carry.split('\n');
    carry = lines.pop() ?? '';
    for (const line of lines) onText(contentOf(line));
  }
  return response.status;
}

/** The text of one `data:` line of a chat completion stream. */
function contentOf(line: string): string {
  if (!line.startsWith('data:') || line.includes('[DONE]')) return '';
  const { choices } = JSON.parse(line.slice(5)) as { choices?: { delta?: { content?: string } }[] };
  return choices?.[0]?.delta?.content ?? '';
}

/** The trace of a request is made right after its answer has ended. */
async function nextEvent(events: readonly TraceEvent[], index: number): Promise<TraceEvent> {
  for (;;) {
    const event = events[index];
    if (event !== undefined) return event;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
