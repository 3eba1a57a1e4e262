import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Artifact, digestFromHash, Fault, parseDigest } from '@sallyport/formats';

/** Larger files are hashed as they are read; memory stays flat, and a digest is enough for signatures by ECDSA. */
const maxInMemory = 256 * 1024 * 1024;

/** What was signed: a file, or a digest where that is no name of a file. */
export async function readArtifact(fileOrDigest: string): Promise<Artifact> {
  if (/^sha256:[0-9a-f]{64}$/i.test(fileOrDigest) && !existsSync(fileOrDigest)) {
    return { digest: parseDigest(fileOrDigest.toLowerCase()) };
  }
  try {
    if (statSync(fileOrDigest).size <= maxInMemory)
      return { bytes: new Uint8Array(await readFile(fileOrDigest)) };
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(fileOrDigest)) hash.update(chunk);
    return { digest: digestFromHash(new Uint8Array(hash.digest())) };
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason given';
    throw new Fault(
      'not_found',
      'cli.no_file',
      `expected to read the file ${fileOrDigest}, could not: ${reason}`,
      {
        cause,
      },
    );
  }
}
