import { isFault } from '@sallyport/formats';
import { createProgress } from './progress.ts';

/**
 * All output of the command line. Rules: standard output is data; standard error is talk, begins with `sally:` and has
 * no full stop; progress is drawn only on a terminal; `--json` turns data into JSON and leaves talk as it is.
 */
export interface Printer {
  readonly json: boolean;
  /** The result. `human` makes the text for people; with --json the value itself is printed, on one line. */
  data(value: unknown, human: () => string): void;
  /** One line of a stream of results. */
  line(value: unknown, human: () => string): void;
  /** Raw bytes of a result, such as a log; resolves when the reader has room for more. */
  bytes(chunk: Uint8Array): Promise<void>;
  /** Text as it is that is no result, such as the last lines of a log, on standard error. */
  quote(text: string): void;
  note(message: string): void;
  warn(message: string): void;
  /** With --json an error is also the one JSON value on standard output, unless a result stands there already. */
  error(error: unknown): void;
  /** Shows that something longer than a second goes on; returns the function that ends it. */
  progress(message: string): () => void;
  /** Ends all progress, as nothing more will come. */
  quiet(): void;
}

export interface Streams {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export function createPrinter(streams: Streams, json: boolean): Printer {
  const progress = createProgress(streams.err);
  let printed = false;
  const talk = (text: string): void => progress.above(`sally: ${printable(text)}\n`);
  const print = (value: unknown, human: () => string): void => {
    const text = json ? JSON.stringify(value) : printable(human());
    printed = true;
    if (text.length > 0) streams.out.write(text.endsWith('\n') ? text : `${text}\n`);
  };
  return {
    json,
    data: print,
    line: print,
    bytes: async (chunk) => {
      printed = true;
      if (streams.out.write(chunk)) return;
      await new Promise<void>((resolve) => streams.out.once('drain', () => resolve()));
    },
    quote: (text) => progress.above(text),
    note: talk,
    warn: (message) => talk(`warning: ${message}`),
    error: (error) => {
      progress.stop();
      const described = describe(error);
      const { message, code, hint, requestId } = described;
      talk(`error: ${message}${code === undefined ? '' : ` [${code}]`}`);
      if (hint !== undefined) talk(`hint: ${hint}`);
      if (requestId !== undefined) talk(`request: ${requestId}`);
      if (json && !printed) print({ error: { ...described, code: code ?? 'internal.error' } }, () => '');
    },
    progress: (message) => progress.start(message),
    quiet: () => progress.stop(),
  };
}

interface Described {
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly requestId?: string;
}

function describe(error: unknown): Described {
  if (!isFault(error)) return { message: error instanceof Error ? error.message : String(error) };
  const requestId = error.details['requestId'];
  return {
    message: error.message,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(typeof requestId === 'string' ? { requestId } : {}),
  };
}

/** A plain table: columns padded, no borders, so that `cut` and `awk` work on it. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replace(/[\n\t]+/g, ' ')));
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A name or message that came from outside must not move the cursor, here or in a terminal title. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not reach the terminal
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]+/g, ' ');
}
