import * as zlib from 'node:zlib';
import { type BodyLimits, type BodyWaiter, HELD_BY_ALL_MAX_BYTES, type RequestBody } from './request-body.ts';

/** A request body as it can be read for what it says; what is sent is another matter. */
export type BodyText = {
  /** Whether waiting brings no more of it. */
  readonly isSettled: boolean;
  /** Tells `waiter`, once, when that is so. */
  whenSettled(waiter: BodyWaiter): void;
  /** The bytes of the text; none when it cannot be read. */
  readonly held: readonly Buffer[];
  /** Whether `held` is all of it. */
  readonly canReplay: boolean;
};

/** No chat is that long: the upstream takes 2 MiB of messages, beside tools and images. */
const TEXT_MAX_BYTES = 16 * 1024 * 1024;
/** More than one is odd, more than three a prank. */
const CODINGS_MAX = 3;

type Unpack = (
  bytes: Buffer,
  options: { readonly maxOutputLength: number; readonly chunkSize: number },
  done: (error: Error | null, text: Buffer) => void,
) => void;

/** From Node 22.15 on; without it such a body is not read. */
const zstd = (zlib as { readonly zstdDecompress?: Unpack }).zstdDecompress;

const UNPACKERS = new Map<string, Unpack>([
  ['gzip', zlib.gunzip],
  ['x-gzip', zlib.gunzip],
  ['br', zlib.brotliDecompress],
  ['deflate', inflate],
  ...(zstd === undefined ? [] : [['zstd', zstd] as const]),
]);

/** RFC 9110 section 8.4.1.2 means the zlib format; some send the bare deflate data all the same. */
function inflate(...[bytes, options, done]: Parameters<Unpack>): void {
  (((bytes[0] ?? 0) & 0x0f) === 8 ? zlib.inflate : zlib.inflateRaw)(bytes, options, done);
}

/**
 * How a `Content-Encoding` is undone, the last coding first; null when there is nothing to undo, and an empty list when
 * it cannot be.
 */
export function unpackersFor(contentEncoding: string | null): readonly Unpack[] | null {
  if (contentEncoding === null) return null;
  const codings = contentEncoding
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length === 0) return null;
  const unpackers = codings.reverse().map((coding) => UNPACKERS.get(coding));
  return unpackers.length > CODINGS_MAX || unpackers.includes(undefined) ? [] : (unpackers as Unpack[]);
}

/** As many as the thread pool has threads: more at a time would only hold more memory. */
const UNPACKING_MAX = 4;

/** Lets a few unpack at a time, in order. */
export class UnpackingTurns {
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  take(begin: () => void): void {
    if (this.#busy === UNPACKING_MAX) this.#waiting.push(begin);
    else {
      this.#busy += 1;
      begin();
    }
  }

  over(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy -= 1;
    else next();
  }
}

/**
 * The text of a compressed request body, unpacked on the thread pool once the body is whole and somebody wants to read it.
 * Bounded in itself and together with all bodies that are held. A body that is broken or too long says nothing.
 */
export class PackedText implements BodyText {
  readonly #body: RequestBody;
  readonly #unpackers: readonly Unpack[];
  readonly #limits: BodyLimits;
  readonly #turns: UnpackingTurns;
  #text: Buffer | null = null;
  #state: 'packed' | 'unpacking' | 'read' = 'packed';
  #waiters: BodyWaiter[] = [];
  #isReleased = false;

  constructor(body: RequestBody, unpackers: readonly Unpack[], limits: BodyLimits, turns: UnpackingTurns) {
    this.#body = body;
    this.#unpackers = unpackers;
    this.#limits = limits;
    this.#turns = turns;
  }

  get isSettled(): boolean {
    if (this.#state === 'packed' && this.#body.isSettled && !this.#isReadable) this.#state = 'read';
    return this.#state === 'read';
  }

  get held(): readonly Buffer[] {
    return this.#text === null ? [] : [this.#text];
  }

  get canReplay(): boolean {
    return this.#text !== null;
  }

  whenSettled(waiter: BodyWaiter): void {
    if (this.isSettled) waiter.bodyReady();
    else {
      this.#waiters.push(waiter);
      if (this.#waiters.length === 1) this.#body.whenSettled(this);
    }
  }

  get received(): number {
    return this.#body.received;
  }

  /** Resolves when it is settled; never rejects. */
  readonly unpacked = (): Promise<void> => new Promise((resolve) => this.whenSettled({ bodyReady: resolve }));

  /** The body has settled. */
  bodyReady(): void {
    if (this.isSettled) this.#tell();
    else if (this.#state === 'packed') {
      this.#state = 'unpacking';
      this.#turns.take(() => {
        const { held } = this.#body;
        this.#unpack(held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held as Buffer[]), 0);
      });
    }
  }

  /** The text counts among what is held no longer. */
  release(): void {
    if (!this.#isReleased && this.#text !== null) this.#limits.heldByAll.bytes -= this.#text.length;
    this.#isReleased = true;
  }

  get #isReadable(): boolean {
    return this.#body.canReplay && this.#body.failure === null && this.#unpackers.length > 0;
  }

  #unpack(bytes: Buffer, step: number): void {
    const unpacker = this.#unpackers[step];
    if (unpacker === undefined) {
      this.#finish(bytes);
      return;
    }
    const room = HELD_BY_ALL_MAX_BYTES - this.#limits.heldByAll.bytes;
    const maxOutputLength = Math.min(TEXT_MAX_BYTES, this.#limits.replayMaxBytes, room);
    if (maxOutputLength <= 0) {
      this.#finish(null);
      return;
    }
    unpacker(bytes, { maxOutputLength, chunkSize: 64 * 1024 }, (error, text) => {
      if (error === null) this.#unpack(text, step + 1);
      else this.#finish(null);
    });
  }

  #finish(text: Buffer | null): void {
    this.#turns.over();
    this.#text = text;
    if (!this.#isReleased && text !== null) this.#limits.heldByAll.bytes += text.length;
    this.#state = 'read';
    this.#tell();
  }

  #tell(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.bodyReady();
  }
}
