import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isFault } from '@sallyport/formats';
import { agentPolicy, type Identity } from '#identity';
import { systemActor } from '#platform';

const name = 'local';
const ttlSeconds = 365 * 24 * 3600;

/**
 * `sally up` runs an agent beside the server. Its token is written once to a file that only we can read; a token that
 * still works is kept, so that a restart of the server does not end the agent's session.
 */
export async function enrolLocalAgent(identity: Identity, file: string): Promise<void> {
  if (await stillWorks(identity, file)) return;
  const known = await identity.listPrincipals(['agent']);
  const agent =
    known.find((principal) => principal.name === name) ??
    (await identity.createWorkload(systemActor, { kind: 'agent', name, policies: [agentPolicy] }));
  const { token } = await identity.createToken(systemActor, {
    principalId: agent.id,
    ttlSeconds,
    description: 'agent started by sally up',
  });
  await writePrivately(file, token.expose());
}

async function stillWorks(identity: Identity, file: string): Promise<boolean> {
  let token: string;
  try {
    token = (await readFile(file, 'utf8')).trim();
  } catch {
    return false;
  }
  try {
    await identity.authenticate(token);
    return true;
  } catch (error) {
    if (isFault(error) && error.kind === 'unauthenticated') return false;
    throw error;
  }
}

/** A reader sees the old token or the new one, whole, and nobody else sees either. */
async function writePrivately(file: string, bytes: Uint8Array): Promise<void> {
  const draft = `${file}.${process.pid}`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  const directory = await open(dirname(file), 'r');
  await directory.sync();
  await directory.close();
}
