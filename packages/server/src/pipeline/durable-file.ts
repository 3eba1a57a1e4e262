import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

let drafts = 0;

/**
 * Writes a file that is named by what is in it: to a name of its own first (two writers of the same content may come at
 * once), synced, renamed, and the folder synced. After this the name means the bytes, also after a power cut.
 */
export async function keepFile(
  file: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  if (existsSync(file)) return;
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  drafts += 1;
  const draft = `${file}.${process.pid}.${drafts}.new`;
  // A process before us with the same id may have died here.
  await rm(draft, { force: true });
  const handle = await open(draft, 'wx', 0o600);
  try {
    for await (const chunk of content) await handle.appendFile(chunk);
    await handle.sync();
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
