import { BodyBytes } from '../../core/json/body-bytes.ts';
import { fieldOf, parseJson, recordOf } from '../../core/json/json-value.ts';
import { MemberScanner } from '../../core/json/member-scanner.ts';
import { findNear, findNearEnd } from '../../core/json/top-level-member.ts';
import {
  joinStatements,
  parseUsageStatement,
  type TokenUsage,
  tokensOf,
  type UsageProtocol,
  type UsageStatement,
} from '../../core/tokens/token-usage.ts';
import { usageInAnswer } from '../../core/tokens/usage-in-answer.ts';
import { createDecompressor, isDecompressible } from './background-decompress.ts';

/** What an answer said of itself; null where it said nothing. */
export type AnswerUsage = { readonly usage: TokenUsage | null; readonly model: string | null };

/** Reads along with an answer. Never throws, never holds an answer up, never changes a byte. */
export type UsageTap = {
  /** A piece of the answer's body as it came, after it has been passed on. */
  take(chunk: Buffer): void;
  /** The answer is over, whole or broken off: what it said until then. A promise, which never rejects, when it is compressed. */
  end(): AnswerUsage | Promise<AnswerUsage>;
};

/** A tap for an answer with these headers; null for one that cannot state usage, or in an encoding unknown here. */
export function createUsageTap(
  contentType: string | undefined,
  contentEncoding: string | undefined,
  protocol: UsageProtocol,
): UsageTap | null {
  const kind = answerKind(contentType ?? '');
  if (kind === null) return null;
  const reader = kind === 'stream' ? new EventReader(protocol) : new JsonReader(protocol);
  if (contentEncoding === undefined) return reader;
  const encoding = contentEncoding.trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return reader;
  if (!isDecompressible(encoding)) return null;
  const decompressor = createDecompressor(encoding, (bytes) => reader.take(bytes));
  return { take: (chunk) => decompressor.take(chunk), end: () => decompressor.end().then(() => reader.end()) };
}

type AnswerKind = 'stream' | 'json' | null;

function answerKind(contentType: string): AnswerKind {
  const type = contentType.toLowerCase();
  if (type.startsWith('text/event-stream')) return 'stream';
  return /^application\/(?:[\w.-]+\+)?json\b/.test(type) ? 'json' : null;
}

/** A usage object has some 150 to 700 bytes. */
const USAGE_MAX_BYTES = 8 * 1024;
const MODEL_MAX_BYTES = 256;
/** The first event, and the first members of a JSON answer, name the model. */
const MODEL_WITHIN_BYTES = 64 * 1024;

const USAGE = { name: 'usage', kind: 'object', maxBytes: USAGE_MAX_BYTES } as const;
const MODEL = { name: 'model', kind: 'string', maxBytes: MODEL_MAX_BYTES } as const;

/** The first `"model"` near the front of an answer. */
class ModelReader {
  model: string | null = null;
  #left = MODEL_WITHIN_BYTES;
  readonly #scanner = new MemberScanner(MODEL, (json) => {
    const value = parseJson(json);
    if (typeof value === 'string' && value !== '') this.model ??= value;
  });

  take(chunk: Buffer): void {
    if (this.#left <= 0 || this.model !== null) return;
    this.#scanner.take(chunk.length <= this.#left ? chunk : chunk.subarray(0, this.#left));
    this.#left -= chunk.length;
  }
}

/**
 * Reads an event stream. Looks for `"usage":{` in each piece and parses that object only, so that lines of any length,
 * line ends of any kind and `data:` with or without a space are all the same to it.
 */
class EventReader implements UsageTap {
  readonly #protocol: UsageProtocol;
  readonly #model = new ModelReader();
  #statement: UsageStatement | null = null;
  readonly #scanner = new MemberScanner(USAGE, (json) => this.#add(json));

  constructor(protocol: UsageProtocol) {
    this.#protocol = protocol;
  }

  take(chunk: Buffer): void {
    this.#model.take(chunk);
    this.#scanner.take(chunk);
  }

  end(): AnswerUsage {
    return { usage: this.#statement === null ? null : tokensOf(this.#statement, this.#protocol), model: this.#model.model };
  }

  #add(json: string): void {
    // An event whose JSON is spread over several lines has a field name before each.
    const statement = parseUsageStatement(parseJson(json.replace(/[\r\n]data:/g, '\n')), this.#protocol);
    if (statement !== null) this.#statement = joinStatements(this.#statement, statement);
  }
}

/** A JSON answer up to this size is parsed if need be; of a longer one, or a part, only the end is looked at. */
const JSON_MAX_BYTES = 64 * 1024;

/** Reads a JSON answer when it is over, so that a piece costs nothing but being kept: at most 128 KB are, then only the end. */
class JsonReader implements UsageTap {
  readonly #protocol: UsageProtocol;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** Of an answer too long to be kept: read along from its first piece. */
  #front: ModelReader | null = null;

  constructor(protocol: UsageProtocol) {
    this.#protocol = protocol;
  }

  take(chunk: Buffer): void {
    this.#front?.take(chunk);
    this.#kept.push(chunk);
    this.#keptBytes += chunk.length;
    if (this.#keptBytes > 2 * JSON_MAX_BYTES) this.#keepEnd();
  }

  end(): AnswerUsage {
    const near = this.#front === null ? this.#readNearEnds(new BodyBytes(this.#kept)) : null;
    return near ?? this.#readAll();
  }

  /** Where both stand in practice; costs a microsecond, where parsing costs a hundred. */
  #readNearEnds(body: BodyBytes): AnswerUsage | null {
    const found = findNearEnd(body, USAGE);
    const statement = found === null ? null : parseUsageStatement(parseJson(found.toString('utf8')), this.#protocol);
    if (statement === null) return null;
    return { usage: tokensOf(statement, this.#protocol), model: this.#modelNear(body) };
  }

  #modelNear(body: BodyBytes): string | null {
    const json = findNear(body, MODEL, null);
    return json === null ? this.#modelInFront() : nameIn(json);
  }

  #readAll(): AnswerUsage {
    if (this.#keptBytes > JSON_MAX_BYTES) this.#keepEnd();
    const isWhole = this.#front === null;
    const bytes = Buffer.concat(this.#kept);
    const answer = isWhole ? parseJson(bytes.toString('utf8')) : undefined;
    if (answer !== undefined) {
      const statement = usageInAnswer(answer, this.#protocol);
      return { usage: statement === null ? null : tokensOf(statement, this.#protocol), model: modelOf(answer) };
    }
    const end = new EventReader(this.#protocol);
    end.take(bytes);
    return { usage: end.end().usage, model: this.#modelInFront() };
  }

  #modelInFront(): string | null {
    this.#front ??= modelReaderOf(this.#kept);
    return this.#front.model;
  }

  #keepEnd(): void {
    this.#front ??= modelReaderOf(this.#kept);
    const end = Buffer.concat(this.#kept).subarray(-JSON_MAX_BYTES);
    this.#kept = [Buffer.from(end)];
    this.#keptBytes = end.length;
  }
}

function modelReaderOf(pieces: readonly Buffer[]): ModelReader {
  const reader = new ModelReader();
  for (const piece of pieces) reader.take(piece);
  return reader;
}

/** The text of a JSON string; null for an empty one. */
function nameIn(json: Buffer): string | null {
  const value = parseJson(json.toString('utf8'));
  return typeof value === 'string' && value !== '' ? value : null;
}

function modelOf(answer: unknown): string | null {
  const model = fieldOf(recordOf(answer), 'model');
  return typeof model === 'string' ? model : null;
}
