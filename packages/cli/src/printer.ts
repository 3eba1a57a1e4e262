import { isFault } from '@sallyport/formats';

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
  /** Raw bytes of a result, such as a log. */
  bytes(chunk: Uint8Array): void;
  note(message: string): void;
  warn(message: string): void;
  error(error: unknown): void;
  /** Shows that something longer than a second goes on; returns the function that ends it. */
  progress(message: string): (done?: string) => void;
}

export interface Streams {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export function createPrinter(streams: Streams, json: boolean): Printer {
  const talk = (text: string): void => {
    streams.err.write(`sally: ${text}\n`);
  };
  const print = (value: unknown, human: () => string): void => {
    const text = json ? JSON.stringify(value) : human();
    if (text.length > 0) streams.out.write(text.endsWith('\n') ? text : `${text}\n`);
  };
  return {
    json,
    data: print,
    line: print,
    bytes: (chunk) => {
      streams.out.write(chunk);
    },
    note: talk,
    warn: (message) => talk(`warning: ${message}`),
    error: (error) => {
      const { message, code, hint, requestId } = describe(error);
      talk(`error: ${message}${code === undefined ? '' : ` [${code}]`}`);
      if (hint !== undefined) talk(`hint: ${hint}`);
      if (requestId !== undefined) talk(`request: ${requestId}`);
      if (json) {
        streams.out.write(
          `${JSON.stringify({ error: { code: code ?? 'internal.error', message, hint } })}\n`,
        );
      }
    },
    progress: (message) => (streams.err.isTTY ? spin(streams.err, message) : announce(talk, message)),
  };
}

function describe(error: unknown): { message: string; code?: string; hint?: string; requestId?: string } {
  if (!isFault(error)) return { message: error instanceof Error ? error.message : String(error) };
  const requestId = error.details['requestId'];
  return {
    message: error.message,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(typeof requestId === 'string' ? { requestId } : {}),
  };
}

function spin(err: NodeJS.WritableStream, message: string): (done?: string) => void {
  const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
  const started = Date.now();
  let frame = 0;
  const timer = setInterval(() => {
    const seconds = Math.floor((Date.now() - started) / 1000);
    err.write(
      `\r\u001b[2K${frames[frame % frames.length] ?? ''} ${message} ${seconds > 0 ? `${seconds}s` : ''}`,
    );
    frame += 1;
  }, 100);
  return (done) => {
    clearInterval(timer);
    err.write('\r\u001b[2K');
    if (done !== undefined) err.write(`sally: ${done}\n`);
  };
}

/** Without a terminal: one line when it takes longer than a second, so that logs stay short. */
function announce(talk: (text: string) => void, message: string): (done?: string) => void {
  const timer = setTimeout(() => talk(`${message} ...`), 1000);
  return (done) => {
    clearTimeout(timer);
    if (done !== undefined) talk(done);
  };
}

/** A plain table: columns padded, no borders, so that `cut` and `awk` work on it. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const all = [head, ...rows];
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
