import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { cleanUp } from '../support/cleanup.ts';

type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly update?: { readonly sessionUpdate: string; readonly content?: { readonly text?: string } };
    readonly sessionId?: string;
  };
  readonly result?: { readonly sessionId?: string; readonly stopReason?: string };
  readonly error?: { readonly message: string };
};

const ANSWER_WITHIN_MS = 60_000;

/**
 * Kimi Code as editors run it: `kimi acp`, the Agent Client Protocol over its pipes. One process holds many sessions and
 * answers several at once, which a prompt on the command line, at a second and more a start, cannot.
 */
export class KimiAgent {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #cwd: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #said = new Map<string, string>();
  #calls = 0;

  private constructor(child: ChildProcessWithoutNullStreams, cwd: string) {
    this.#child = child;
    this.#cwd = cwd;
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(JSON.parse(line) as Message));
    child.once('close', (code, signal) => {
      const error = { message: `Kimi Code has ended (${signal ?? code}).` };
      for (const answer of this.#waiting.values()) answer({ error });
    });
  }

  static async start(
    kimi: string,
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ): Promise<KimiAgent> {
    const child = spawn(kimi, ['acp'], { ...options, stdio: 'pipe' });
    child.stderr.resume();
    const agent = new KimiAgent(child, options.cwd);
    cleanUp(() => agent.stop());
    await agent.#call('initialize', { protocolVersion: 1, clientCapabilities: {} });
    return agent;
  }

  /** Begins a session; its id. */
  async open(): Promise<string> {
    const { sessionId } = await this.#call('session/new', { cwd: this.#cwd, mcpServers: [] });
    if (sessionId === undefined) throw new Error('Kimi Code began no session.');
    return sessionId;
  }

  /** Goes on with a session of an earlier process. */
  async resume(sessionId: string): Promise<void> {
    await this.#call('session/load', { sessionId, cwd: this.#cwd, mcpServers: [] });
  }

  /** Sends a prompt and waits for the end of the turn; what the agent said. */
  async prompt(sessionId: string, text: string): Promise<string> {
    this.#said.set(sessionId, '');
    const { stopReason } = await this.#call('session/prompt', { sessionId, prompt: [{ type: 'text', text }] });
    if (stopReason !== 'end_turn') throw new Error(`The turn ended with ${stopReason}.`);
    return this.#said.get(sessionId) ?? '';
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await closed;
    clearTimeout(timer);
  }

  #call(method: string, params: object): Promise<NonNullable<Message['result']>> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer in ${ANSWER_WITHIN_MS} ms`)), ANSWER_WITHIN_MS);
      this.#waiting.set(id, ({ error, result }) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
      this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  }

  #take(message: Message): void {
    if (message.method === undefined) {
      if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
      return;
    }
    const { sessionId = '', update } = message.params ?? {};
    if (update?.sessionUpdate !== 'agent_message_chunk') return;
    this.#said.set(sessionId, (this.#said.get(sessionId) ?? '') + (update.content?.text ?? ''));
  }
}
