import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, isFault, utf8 } from '@sallyport/formats';
import type { Static } from 'typebox';
import type { Journal } from '#journal';
import type { Actor, Routes } from '#platform';
import { beginning, readPosition, writePosition } from './read/cursor.ts';
import { searchJournal } from './read/journal-search.ts';
import { AuditEnd, AuditPage, AuditQuery, AuditSearch, filterOf } from './read/query.ts';

export interface AuditRoutesDeps {
  readonly journal: Pick<Journal, 'audit' | 'auditEnd' | 'verifyAudit' | 'findings'>;
  /** What a text is in the lines of the journal. */
  readonly hash: (text: string) => string;
  /** Replays the ledger, which the journal's batches are compared with, and gives what is wrong with it. */
  readonly verifyLedger: (signal: AbortSignal) => Promise<LedgerVerdict>;
  /** Writes down who looked for a value: whoever may search can try out guesses, and must not do it unseen. */
  readonly recordValueSearch: (actor: Actor) => Promise<void>;
  readonly steadyMs: () => number;
}

export interface LedgerVerdict {
  readonly ok: boolean;
  readonly treeSize: number;
  readonly findings: ReadonlyArray<{ readonly code: string; readonly where: string }>;
}

const access = { kind: 'allowed', capability: 'read', path: () => 'audit' } as const;
const budgetMs = 4000;
/** Each reads from the disk and parses; more at once would only make all of them, and the requests, slower. */
const maxSearches = 4;
const pollMs = 400;
const verifySeconds = 3600;
const beatMs = 5000;

/** Reading the audit: in parts that end in time, each with a cursor to go on, so that no answer grows with the log. */
export function auditRoutes(deps: AuditRoutesDeps): Routes {
  const { journal, hash, steadyMs } = deps;
  const searches = createGate(maxSearches);
  const verification = createGate(1);

  async function search(
    asked: Static<typeof AuditSearch>,
    signal: AbortSignal,
  ): Promise<Static<typeof AuditPage>> {
    const filter = filterOf(asked, hash);
    let from = asked.after === undefined ? beginning : readPosition(asked.after);
    const end = steadyMs() + (asked.wait ?? 0) * 1000;
    for (;;) {
      const found = await searches(() => searchJournal(deps, { filter, from, budgetMs, signal }));
      from = found.next;
      if (found.lines.length > 0 || !found.complete || steadyMs() >= end) {
        return {
          lines: found.lines.map(({ at, line }) => ({
            time: new Date(at).toISOString(),
            entry: JSON.parse(line.toString('utf8')),
          })),
          next: writePosition(found.next),
          complete: found.complete,
          read: found.read,
          malformed: found.malformed,
        };
      }
      await sleep(pollMs, undefined, { signal });
    }
  }

  return (http) => {
    http.route({
      method: 'GET',
      path: '/api/audit',
      summary: 'Lines of the audit in the order of time; with `wait` seconds it waits for new ones',
      access,
      query: AuditQuery,
      response: AuditPage,
      timeoutSeconds: 40,
      handle: ({ query, signal }) => search(query, signal),
    });
    http.route({
      method: 'POST',
      path: '/api/audit/search',
      summary: 'The same with a value to search for, which is hashed as the audit has it',
      access,
      body: AuditSearch,
      response: AuditPage,
      timeoutSeconds: 40,
      handle: async ({ actor, body, signal }) => {
        if (body.value !== undefined) await deps.recordValueSearch(actor);
        return await search(body, signal);
      },
    });
    http.route({
      method: 'GET',
      path: '/api/audit/end',
      summary: 'A cursor from which only lines come that are written from now on',
      access,
      response: AuditEnd,
      handle: async () => ({ next: writePosition({ after: await journal.auditEnd() }) }),
    });
    http.stream({
      method: 'POST',
      path: '/api/audit/verify',
      summary:
        'Compares the whole audit with its chains and with the replayed ledger; the report is the last JSON line',
      access,
      bodyLimitBytes: 0,
      timeoutSeconds: verifySeconds,
      handle: ({ signal }, reply) =>
        verification(async () => {
          const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' };
          await reply.headers(headers).send(verificationLines(() => verify(deps, signal)));
        }),
    });
  };
}

async function verify({ journal, verifyLedger }: AuditRoutesDeps, signal: AbortSignal) {
  // The journal first: what is sealed while the ledger is replayed, is in it.
  const audit = await journal.verifyAudit();
  signal.throwIfAborted();
  const ledger = await verifyLedger(signal);
  const findings = journal.findings();
  return { ok: audit.ok && ledger.ok && findings.length === 0, audit, ledger, findings };
}

/** Says every few seconds that it is still at it: somebody between us and the client may end silent connections. */
async function* verificationLines(run: () => Promise<object>): AsyncGenerator<Uint8Array> {
  const outcome = run().then(
    (report) => ({ report }),
    (error: unknown) => ({ error: isFault(error) ? error.code : 'internal.error' }),
  );
  for (;;) {
    const timer = new AbortController();
    const beat = sleep(beatMs, undefined, { signal: timer.signal }).catch(() => undefined);
    const ended = await Promise.race([outcome, beat]);
    timer.abort();
    yield utf8(`${JSON.stringify(ended ?? { working: true })}\n`);
    if (ended !== undefined) return;
  }
}

function createGate(most: number) {
  let inside = 0;
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (inside >= most) {
      throw new Fault('exhausted', 'vault.audit_busy', `expected at most ${most} of these at once`, {
        hint: 'try again in a moment',
      });
    }
    inside += 1;
    try {
      return await work();
    } finally {
      inside -= 1;
    }
  };
}
