import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { Fault, SecretBytes } from '@sallyport/formats';

const maxBytes = 65_536;

/** A secret from standard input, or typed without echo: never from the command line, which other users can see. */
export async function readSecret(prompt: string): Promise<SecretBytes> {
  return process.stdin.isTTY ? typed(prompt) : piped();
}

async function piped(): Promise<SecretBytes> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) {
      throw new Fault(
        'invalid',
        'cli.secret_too_large',
        `expected at most ${maxBytes} bytes on standard input, got more`,
      );
    }
    chunks.push(bytes);
  }
  const all = Buffer.concat(chunks);
  // A line typed with echo ends in a newline that is not part of the secret; a file with several lines is kept whole.
  const end = all.at(-1) === 0x0a && all.indexOf(0x0a) === all.length - 1 ? all.length - 1 : all.length;
  if (end === 0) throw nothing();
  return SecretBytes.from(new Uint8Array(all.subarray(0, end)));
}

/** The terminal's own echo is off while readline runs, and what readline would draw goes nowhere. */
async function typed(prompt: string): Promise<SecretBytes> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(`${prompt}: `);
  try {
    return SecretBytes.fromUtf8(
      await new Promise<string>((resolve, reject) => {
        reader.once('line', resolve);
        reader.once('close', () => reject(nothing()));
        reader.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      }),
    );
  } finally {
    process.stderr.write('\n');
    reader.close();
  }
}

function nothing(): Fault {
  return new Fault('invalid', 'cli.no_input', 'expected a value on standard input, got nothing');
}

/** The text of a file that the user named, `-` for standard input. */
export function readNamed(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason given';
    throw new Fault('not_found', 'cli.no_file', `expected to read the file ${file}, could not: ${reason}`, {
      cause,
    });
  }
}
