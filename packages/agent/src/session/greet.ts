import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentHello } from '@sallyport/contract';
import { equalBytes, Fault, isFault, parseTrustRoot, type TrustRoot } from '@sallyport/formats';
import type { Log } from '../sandbox/index.ts';
import type { ServerApi } from './server-api.ts';

const retryMs = 500;

/**
 * Says hello until the server answers, and pins its trust root on the first meeting. Later roots are taken only if they
 * still name the pinned installation, log key and verifier: a server that is somebody else's is refused, not obeyed.
 *
 * KNOWN LIMIT: the first meeting is trusted. Put the trust root into the agent's data directory before, to avoid it.
 */
export async function greet(
  api: ServerApi,
  hello: AgentHello,
  file: string,
  log: Log,
  signal: AbortSignal,
): Promise<{ readonly current: () => TrustRoot }> {
  const welcome = await helloUntilAnswered(api, hello, log, signal);
  const offered = parseTrustRoot(welcome.trustRoot);
  const pinnedText = await readFile(file, 'utf8').catch(() => undefined);
  if (pinnedText !== undefined) assertSameInstallation(parseTrustRoot(pinnedText), offered, file);
  if (pinnedText !== welcome.trustRoot) {
    await writeFile(`${file}.new`, welcome.trustRoot, { mode: 0o600, flush: true });
    await rename(`${file}.new`, file);
  }
  return { current: () => offered };
}

async function helloUntilAnswered(api: ServerApi, hello: AgentHello, log: Log, signal: AbortSignal) {
  for (;;) {
    try {
      return await api.hello(hello);
    } catch (error) {
      if (!isFault(error) || error.kind !== 'unavailable' || signal.aborted) throw error;
      log.warn({ error: error.code }, 'the server does not answer yet');
      await sleep(retryMs, undefined, { signal });
    }
  }
}

function assertSameInstallation(pinned: TrustRoot, offered: TrustRoot, file: string): void {
  const keepsAll = (name: 'keys' | 'logs'): boolean =>
    pinned[name].every((known) => offered[name].some((now) => equalBytes(now.publicKey, known.publicKey)));
  const sameName = pinned.installation === offered.installation && pinned.verifierId === offered.verifierId;
  if (sameName && keepsAll('keys') && keepsAll('logs')) return;
  throw new Fault(
    'integrity',
    'agent.other_server',
    `expected the server of installation "${pinned.installation}" that this agent knows, got another`,
    { hint: `if the server was set up anew on purpose, remove ${file}` },
  );
}
