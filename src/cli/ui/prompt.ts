/*
 * Our own by trial in a real terminal (tmux, 60 columns) against @clack/prompts 1.9 and @inquirer/prompts 7.10 (8 needs Node 22).
 * Neither asks the terminal to mark a paste: of a key pasted with a line break, what follows the break answers the next question.
 * Neither comes back after Ctrl+Z and `fg`: both end, and the rest of a key that is being typed goes to the shell, in the open.
 * Ctrl+D leaves a clack prompt waiting until the process ends with 13. Both show how long a key is or draw escape sequences into a
 * pipe, and they take 110 and 220 ms to load, where these lines are part of what is loaded anyway.
 */
import { formOf } from '../../files/text-bytes.ts';
import { type InputEvent, InputReader } from './key-input.ts';
import { displayWidth, wrapToWidth } from './width.ts';

/** The person pressed Ctrl+C, or there is no more input. */
export class PromptEnded extends Error {
  readonly reason: 'interrupt' | 'end';

  constructor(reason: 'interrupt' | 'end') {
    super(reason === 'interrupt' ? 'interrupted at a prompt' : 'no more input');
    this.name = 'PromptEnded';
    this.reason = reason;
  }
}

export type PromptStreams = {
  readonly stdin: Pick<NodeJS.ReadStream, 'isTTY' | 'setRawMode' | 'setEncoding' | 'on' | 'off' | 'resume' | 'pause'>;
  /** Questions go here: standard error, so that standard output stays data. */
  readonly output: { write(text: string): unknown; readonly columns?: number };
};

/** Asks line by line. Throws `PromptEnded`. Without a terminal nothing is shown and each question takes the next line of the input. */
export type Prompter = {
  readonly isTerminal: boolean;
  ask(question: string): Promise<string>;
  /** What is typed or pasted is not shown. */
  askHidden(question: string): Promise<string>;
  /** Enter alone answers `fallback`; anything but yes or no asks again. */
  confirm(question: string, fallback: boolean): Promise<boolean>;
  /** Lines that came in beyond what was asked for; empty on a terminal. */
  unread(): readonly string[];
  /** The input is no longer read. */
  close(): void;
};

export function openPrompter(streams: PromptStreams): Prompter {
  const isTerminal = streams.stdin.isTTY === true;
  const input = new InputQueue(streams.stdin);
  const askLine = (question: string, isHidden: boolean) =>
    isTerminal ? new TerminalPrompt(streams, input, question, isHidden).run() : input.nextLine();
  return {
    isTerminal,
    ask: (question) => askLine(question, false),
    askHidden: (question) => askLine(question, true),
    async confirm(question, fallback) {
      for (;;) {
        const answer = (await askLine(`${question} ${fallback ? '[Y/n]' : '[y/N]'} `, false)).trim().toLowerCase();
        if (answer === '') return fallback;
        if (answer === 'y' || answer === 'yes') return true;
        if (answer === 'n' || answer === 'no') return false;
        if (isTerminal) streams.output.write('Please answer y or n.\n');
      }
    },
    unread: () => (isTerminal ? [] : input.unread()),
    close: () => input.close(),
  };
}

/** What came in and has not been used; it stays for the next question. */
class InputQueue {
  readonly #stdin: PromptStreams['stdin'];
  readonly #reader = new InputReader();
  readonly #events: InputEvent[] = [];
  #wake: (() => void) | null = null;
  #hasEnded = false;
  #isListening = false;
  #decoder: InstanceType<typeof TextDecoder> | null = null;

  constructor(stdin: PromptStreams['stdin']) {
    this.#stdin = stdin;
  }

  async next(): Promise<InputEvent> {
    this.#listen();
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      if (this.#hasEnded) return { kind: 'end' };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** For input that is no terminal: the text up to the next line break; the last line may lack one. */
  async nextLine(): Promise<string> {
    let line = '';
    for (;;) {
      const event = await this.next();
      if (event.kind === 'text') line += event.text;
      else if (event.kind === 'enter') return line;
      else if (event.kind === 'end' && line !== '') return line;
      else if (event.kind === 'end') throw new PromptEnded('end');
    }
  }

  unread(): readonly string[] {
    return this.#events
      .map((event) => (event.kind === 'text' ? event.text : '\n'))
      .join('')
      .split('\n');
  }

  /** Keeps the process from waiting for input between questions. */
  rest(): void {
    this.#stdin.pause();
    this.#isListening = false;
    this.#stdin.off('data', this.#onData).off('end', this.#onEnd);
  }

  close(): void {
    this.rest();
  }

  #listen(): void {
    if (this.#isListening || this.#hasEnded) return;
    this.#isListening = true;
    if (this.#stdin.isTTY === true) this.#stdin.setEncoding('utf8');
    this.#stdin.on('data', this.#onData).on('end', this.#onEnd).resume();
  }

  readonly #onData = (piece: string | Buffer): void => {
    this.#events.push(...this.#reader.read(this.#textOf(piece)));
    this.#wake?.();
  };

  /** A file or a pipe may hold UTF-16, as PowerShell writes it; its first bytes tell. */
  #textOf(piece: string | Buffer): string {
    if (typeof piece === 'string') return piece;
    this.#decoder ??= new TextDecoder(formOf(piece));
    return this.#decoder.decode(piece, { stream: true });
  }

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#wake?.();
  };
}

const ANSWER_COLUMNS = 4;
const PASTE_MARKS_ON = '\u001b[?2004h';
const PASTE_MARKS_OFF = '\u001b[?2004l';
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** One question on a terminal, which is taken for as long as it is open: no echo, keys as they come. */
class TerminalPrompt {
  readonly #streams: PromptStreams;
  readonly #input: InputQueue;
  readonly #question: string;
  readonly #isHidden: boolean;
  #line = '';
  #isTaken = false;

  constructor(streams: PromptStreams, input: InputQueue, question: string, isHidden: boolean) {
    this.#streams = streams;
    this.#input = input;
    this.#question = wrapQuestion(question, streams.output.columns);
    this.#isHidden = isHidden;
  }

  async run(): Promise<string> {
    process.on('exit', this.#giveBack).on('SIGCONT', this.#resume);
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#onSignal);
    this.#take();
    this.#streams.output.write(this.#question);
    try {
      return await this.#readLine();
    } finally {
      process.off('exit', this.#giveBack).off('SIGCONT', this.#resume);
      for (const signal of ENDING_SIGNALS) process.off(signal, this.#onSignal);
      this.#streams.output.write('\n');
      this.#giveBack();
      this.#input.rest();
    }
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const event = await this.#input.next();
      switch (event.kind) {
        case 'enter':
          return this.#line;
        case 'text':
          this.#line += event.text;
          if (!this.#isHidden) this.#streams.output.write(event.text);
          break;
        case 'erase':
          this.#eraseTo(graphemesOf(this.#line).slice(0, -1).join(''));
          break;
        case 'erase_word':
          this.#eraseTo(this.#line.replace(/\S*\s*$/u, ''));
          break;
        case 'erase_line':
          this.#eraseTo('');
          break;
        case 'suspend':
          this.#suspend();
          break;
        case 'interrupt':
          throw new PromptEnded('interrupt');
        case 'end':
          // As in a shell: Ctrl+D ends the input only where nothing has been typed.
          if (this.#line === '') throw new PromptEnded('end');
      }
    }
  }

  #eraseTo(line: string): void {
    if (!this.#isHidden) this.#streams.output.write('\b \b'.repeat(displayWidth(this.#line) - displayWidth(line)));
    this.#line = line;
  }

  #take(): void {
    this.#isTaken = true;
    this.#streams.stdin.setRawMode(true);
    this.#streams.output.write(PASTE_MARKS_ON);
  }

  readonly #giveBack = (): void => {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    this.#streams.output.write(PASTE_MARKS_OFF);
    this.#streams.stdin.setRawMode(false);
  };

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#giveBack();
    for (const name of ENDING_SIGNALS) process.off(name, this.#onSignal);
    process.kill(process.pid, signal);
  };

  #suspend(): void {
    if (process.platform === 'win32') return;
    this.#giveBack();
    // To the whole group, as the terminal itself does: a shell or npm in front must stop too.
    process.kill(0, 'SIGTSTP');
  }

  readonly #resume = (): void => {
    if (this.#isTaken) return;
    this.#take();
    this.#streams.output.write(`\r${this.#question}${this.#isHidden ? '' : this.#line}`);
  };
}

/** In lines that the terminal need not break, the last with room for a short answer. */
function wrapQuestion(question: string, columns = Number.POSITIVE_INFINITY): string {
  const text = question.trimEnd();
  return wrapToWidth(text, Math.max(columns - ANSWER_COLUMNS, ANSWER_COLUMNS)).join('\n') + question.slice(text.length);
}

function graphemesOf(text: string): string[] {
  return [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].map(({ segment }) => segment);
}
