import { Writable } from 'node:stream';
import { Fault } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPrinter, type Printer, table } from './printer.ts';

class Sink extends Writable {
  text = '';
  readonly isTTY: boolean;
  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8');
    done();
  }
}

let out: Sink;
let err: Sink;
const printer = (json: boolean, isTTY = false): Printer => {
  out = new Sink();
  err = new Sink(isTTY);
  return createPrinter({ out, err }, json);
};
const fault = new Fault('denied', 'identity.denied', 'not allowed', {
  hint: 'ask',
  details: { requestId: 'req_1', other: 'kept back' },
});

describe('data', () => {
  it('is text for people and one line of JSON for programs', () => {
    printer(false).data({ a: 1 }, () => 'one');
    expect(out.text).toBe('one\n');
    printer(true).data({ a: 1 }, () => 'one');
    expect(out.text).toBe('{"a":1}\n');
  });

  it('keeps a terminal as it is, whatever came from outside', () => {
    printer(false).data({}, () => 'a\u001b]0;title\u0007b\u001b[2Jc\td\ne\r\u009bf');

    expect(out.text).toBe('a ]0;title b [2Jc\td\ne f\n');
  });

  it('waits for a reader that is slow', async () => {
    const done: (() => void)[] = [];
    const slow = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, next) => void done.push(next) });
    const written = createPrinter({ out: slow, err: new Sink() }, false).bytes(new Uint8Array(10));
    const state = await Promise.race([written.then(() => 'written'), Promise.resolve('waiting')]);

    expect(state).toBe('waiting');
    done[0]?.();
    await written;
  });
});

describe('an error', () => {
  it('is told with its code, what to do and the request it belongs to', () => {
    printer(false).error(fault);

    expect(err.text).toBe(
      'sally: error: not allowed [identity.denied]\nsally: hint: ask\nsally: request: req_1\n',
    );
    expect(out.text).toBe('');
  });

  it('is also the one JSON value for programs', () => {
    printer(true).error(fault);

    expect(JSON.parse(out.text)).toEqual({
      error: { message: 'not allowed', code: 'identity.denied', hint: 'ask', requestId: 'req_1' },
    });
  });

  it('is no second JSON value after a result', () => {
    const both = printer(true);
    both.data({ a: 1 }, () => '');
    both.error(fault);

    expect(out.text).toBe('{"a":1}\n');
    expect(err.text).toContain('sally: error:');
  });

  it('of another kind has its message, and no stack', () => {
    printer(false).error(new TypeError('x is not a function'));

    expect(err.text).toBe('sally: error: x is not a function\n');
  });
});

describe('progress', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('is silent for what is done within a second', () => {
    const done = printer(false).progress('fetching');
    vi.advanceTimersByTime(900);
    done();
    vi.advanceTimersByTime(5000);

    expect(err.text).toBe('');
  });

  it('is one line where nobody watches', () => {
    const done = printer(false).progress('fetching');
    vi.advanceTimersByTime(30_000);
    done();

    expect(err.text).toBe('sally: fetching ...\n');
  });

  it('moves on a terminal, and leaves nothing behind', () => {
    const done = printer(false, true).progress('fetching');
    vi.advanceTimersByTime(3000);
    done();

    expect(err.text).toContain('fetching 2s');
    expect(err.text.endsWith('\r\u001b[2K')).toBe(true);
  });

  it('is wiped before a line that stays', () => {
    const talk = printer(false, true);
    const done = talk.progress('fetching');
    vi.advanceTimersByTime(1000);
    talk.note('step one');
    done();

    expect(err.text.endsWith('fetching 1s\r\u001b[2Ksally: step one\n')).toBe(true);
  });

  it('inside another one says nothing of its own', () => {
    const talk = printer(false);
    const outer = talk.progress('exporting');
    talk.progress('waiting')();
    vi.advanceTimersByTime(2000);
    outer();

    expect(err.text).toBe('sally: exporting ...\n');
  });
});

describe('a table', () => {
  it('has padded columns and no space at the end', () => {
    const rows = [
      ['x', '1'],
      ['longer', ''],
    ];

    expect(table(['NAME', 'N'], rows)).toBe('NAME    N\nx       1\nlonger');
  });

  it('keeps a row in its line', () => {
    expect(table(['A'], [['x\ny']])).toBe('A\nx y');
  });
});
