import { open } from 'node:fs/promises';
import { Fault } from '@sallyport/formats';

const maxBytes = 64 * 1024;

/** The text of a file with a credential, at most 64 KiB, without space around it. The message names the path only. */
export async function readSecretFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const buffer = Buffer.alloc(maxBytes + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    if (bytesRead > maxBytes) throw unreadable(path, undefined);
    const text = buffer.subarray(0, bytesRead).toString('utf8').trim();
    buffer.fill(0);
    return text;
  } finally {
    await file.close();
  }
}

function unreadable(path: string, cause: unknown): Fault {
  return new Fault(
    'unavailable',
    'keyring.seal_unavailable',
    `expected a credential of at most ${maxBytes} bytes in "${path}", got no such file`,
    { cause },
  );
}
