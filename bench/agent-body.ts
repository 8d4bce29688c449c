/** How a client names its session: as Kimi Code does, as Claude Code does in its `metadata`, or not at all. */
export const NAMINGS = ['prompt_cache_key', 'metadata.user_id', 'no name'] as const;
export type Naming = (typeof NAMINGS)[number];

const SYSTEM = 'You are an agent. Use "tools" with care; write_file and run_command are yours.\n'.repeat(100);
const PARAMETERS = { type: 'object', properties: { path: { type: 'string' }, content: { type: 'string' } }, required: ['path'] };
const TOOLS = Array.from({ length: 24 }, (_, n) => ({
  type: 'function',
  function: { name: `tool_${n}`, description: 'Does one thing well, and says what it did. '.repeat(50), parameters: PARAMETERS },
}));
/** Bytes of the turns that fill a body up. */
const TURN = 'const prompt_line = read_file("src/app.ts"); // see "metadata"\n'.repeat(16);

/**
 * A chat of about `bytes`, shaped as coding agents send them: system prompt and tools of some 65 KB, and a conversation. The
 * members are in the order Kimi Code 2.1.0 has them (its key some 140 bytes before the end), or Claude Code.
 */
export function agentBody(bytes: number, naming: Naming, session: number): string {
  const id = `session_${String(session).padStart(8, '0')}-5c0a-4f2f-9df5-6a2f0e7b1c11`;
  const messages = [{ role: 'user', content: `Task ${session}: look at the file and tell me what it does.` }];
  const rest = { model: 'kimi-for-coding', max_tokens: 32_000, stream: false };
  const shapeOf = (): object => {
    switch (naming) {
      case 'prompt_cache_key': {
        const { model, stream } = rest;
        const chat = [{ role: 'system', content: SYSTEM }, ...messages];
        const thinking = { type: 'enabled', keep: 'all' };
        return { model, messages: chat, tools: TOOLS, stream, prompt_cache_key: id, thinking, max_completion_tokens: 262_144 };
      }
      case 'metadata.user_id': {
        const user = `user_${'a'.repeat(64)}_account_${id}_session_${id}`;
        return { ...rest, messages, system: SYSTEM, tools: TOOLS, metadata: { user_id: user } };
      }
      case 'no name':
        return { ...rest, messages: [{ role: 'system', content: SYSTEM }, ...messages], tools: TOOLS };
    }
  };
  for (let n = 1; JSON.stringify(shapeOf()).length + TURN.length < bytes; n++) {
    messages.push({ role: n % 2 === 0 ? 'user' : 'assistant', content: `${n}: ${TURN}` });
  }
  return JSON.stringify(shapeOf());
}
