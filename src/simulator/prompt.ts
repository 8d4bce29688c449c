/** What the simulator reads of a chat request. */
export type Prompt = {
  readonly model: string;
  readonly stream: boolean;
  /** `stream_options.include_usage`. */
  readonly includeUsage: boolean;
  /** Estimated: a quarter of the characters of the messages (`input` on `/responses`), the system prompt and the tools. At least 1. */
  readonly tokens: number;
  /** The prompt cache's key, null when the client sent none. */
  readonly session: string | null;
  /** Ids of the uploaded files that the messages name (`ms://<id>`). */
  readonly files: readonly string[];
};

const DEFAULT_MODEL = 'kimi-for-coding';

/** Reads a chat body of either protocol; null when it is no JSON object. */
export function parsePrompt(body: Buffer): Prompt | null {
  const request = parseObject(body);
  if (request === null) return null;
  const characters = [request.messages, request.input, request.instructions, request.system, request.tools]
    .map(countCharacters)
    .reduce((sum, count) => sum + count);
  const options = request.stream_options;
  const metadata = request.metadata;
  return {
    model: textOf(request.model) ?? DEFAULT_MODEL,
    stream: request.stream === true,
    includeUsage: isObject(options) && options.include_usage === true,
    tokens: Math.max(1, Math.ceil(characters / 4)),
    session: textOf(request.prompt_cache_key) ?? (isObject(metadata) ? textOf(metadata.user_id) : null),
    files: [...filesIn(request.messages), ...filesIn(request.input)],
  };
}

export function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function countCharacters(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let characters = 0;
  for (const part of Object.values(value)) characters += countCharacters(part);
  return characters;
}

const FILE_URL = /^ms:\/\/([\w.-]+)$/;

/** A file is a whole value, `"url": "ms://<id>"`; text that merely speaks of one names none. */
function filesIn(value: unknown): string[] {
  if (typeof value === 'string') return FILE_URL.exec(value)?.slice(1) ?? [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(filesIn) : [];
}
