import { createInterface } from 'node:readline/promises';
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
  return SecretBytes.from(new Uint8Array(all.subarray(0, end)));
}

async function typed(prompt: string): Promise<SecretBytes> {
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  process.stderr.write(`${prompt}: `);
  // The terminal's own echo is off while readline runs; what readline would draw is kept off the screen here.
  const output = process.stderr.write.bind(process.stderr);
  process.stderr.write = () => true;
  try {
    return SecretBytes.fromUtf8(await reader.question(''));
  } finally {
    process.stderr.write = output;
    process.stderr.write('\n');
    reader.close();
  }
}
