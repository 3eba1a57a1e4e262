import { Fault, toBase64, utf8 } from '@sallyport/formats';
import { Type } from 'typebox';
import type { AuditedTable, RequestOf, Routes, StreamReply } from '#platform';
import type { Ledger } from './ledger.ts';
import { tileRoutes } from './tile-routes.ts';
import type { VerifyProgress } from './verify/report.ts';

const closed = { additionalProperties: false } as const;
const Index = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const Proof = Type.Object(
  {
    entryId: Type.String({ maxLength: 100 }),
    leafIndex: Index,
    treeSize: Index,
    rootHash: Type.String({ maxLength: 44 }),
    hashes: Type.Array(Type.String({ maxLength: 44 }), { maxItems: 64 }),
    checkpoint: Type.String({ maxLength: 2000 }),
  },
  closed,
);

const Events = Type.Object(
  {
    events: Type.Array(
      Type.Object(
        {
          id: Type.String({ maxLength: 100 }),
          time: Type.String({ maxLength: 30 }),
          type: Type.String({ maxLength: 200 }),
          actor: Type.Object(
            { kind: Type.String({ maxLength: 20 }), id: Type.String({ maxLength: 300 }) },
            closed,
          ),
          resource: Type.String({ maxLength: 700 }),
          leafIndex: Index,
          stateHash: Type.Optional(Type.Union([Type.String({ maxLength: 71 }), Type.Null()])),
          detail: Type.Optional(Type.Unknown()),
        },
        closed,
      ),
      { maxItems: 500 },
    ),
    next: Type.Optional(Index),
  },
  closed,
);

const mayRead = { kind: 'allowed', capability: 'read', path: () => 'ledger' } as const;

/**
 * The log for everybody (tile-routes.ts), and the native API. `tables` are those of all contexts; `published` gives the
 * checkpoint that may be shown, with cosignatures.
 */
export function ledgerRoutes(
  ledger: Ledger,
  tables: () => readonly AuditedTable[],
  published: () => Promise<string> = ledger.checkpoint,
): Routes {
  const verifying = { now: false };
  return (http) => {
    tileRoutes(ledger, { prefix: '', checkpoint: published })(http);
    http.stream({
      method: 'GET',
      path: '/log-key',
      summary: 'The key of the log, as witnesses and monitors configure it (c2sp.org/signed-note)',
      access: { kind: 'public', reason: 'a public key: verifiers need it' },
      handle: async (_request, reply) => {
        await reply.headers({ 'content-type': 'text/plain; charset=utf-8' }).send(`${ledger.verifierKey}\n`);
      },
    });
    http.route({
      method: 'GET',
      path: '/api/ledger/events',
      summary: 'What happened to one resource, newest first, page by page',
      access: mayRead,
      query: Type.Object(
        {
          resource: Type.String({ minLength: 3, maxLength: 700 }),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500 })),
          before: Type.Optional(Index),
        },
        closed,
      ),
      response: Events,
      handle: async ({ query }) => {
        const page = await ledger.eventsOf(query.resource, query.limit ?? 100, query.before);
        return { ...page, events: [...page.events] };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/ledger/proofs/:entryId',
      summary: 'The inclusion proof of an entry, once it has a place',
      access: mayRead,
      params: Type.Object({ entryId: Type.String({ pattern: '^(evt|evd)_[0-9a-f-]{36,64}$' }) }, closed),
      response: Proof,
      handle: async ({ params }) => {
        const proof = await ledger.proofFor(params.entryId);
        return { ...proof, rootHash: toBase64(proof.rootHash), hashes: proof.hashes.map(toBase64) };
      },
    });
    http.route({
      method: 'GET',
      path: '/api/ledger/consistency',
      summary: 'The proof that one tree is a prefix of another',
      access: { kind: 'public', reason: 'witnesses check that the log only grows' },
      query: Type.Object({ first: Index, second: Index }, closed),
      response: Type.Object(
        { hashes: Type.Array(Type.String({ maxLength: 44 }), { maxItems: 128 }) },
        closed,
      ),
      handle: async ({ query }) => ({
        hashes: (await ledger.consistencyProof(query.first, query.second)).map(toBase64),
      }),
    });
    http.stream({
      method: 'POST',
      path: '/api/ledger/verify',
      summary:
        'Replays the whole log and compares it with the database; a JSON line per step, the report last',
      access: mayRead,
      bodyLimitBytes: 0,
      timeoutSeconds: 600,
      handle: (request, reply) => sendVerification(ledger, tables(), verifying, request, reply),
    });
  };
}

/** Lines of `{"progress":…}` and one `{"report":…}` or `{"error":…}` at the end. */
async function sendVerification(
  ledger: Ledger,
  tables: readonly AuditedTable[],
  verifying: { now: boolean },
  { signal }: Pick<RequestOf<unknown, unknown, undefined>, 'signal'>,
  reply: StreamReply,
): Promise<void> {
  if (verifying.now) {
    throw new Fault(
      'conflict',
      'ledger.verify_running',
      'expected no other verification, got one that runs',
      {
        hint: 'wait for it to end',
      },
    );
  }
  verifying.now = true;
  try {
    await reply
      .headers({ 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      .send(verificationLines(ledger, tables, signal));
  } finally {
    verifying.now = false;
  }
}

async function* verificationLines(
  ledger: Ledger,
  tables: readonly AuditedTable[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let progress: VerifyProgress | undefined;
  let wake = (): void => undefined;
  const running = ledger
    .verify(tables, (latest) => {
      // Nobody reads any more: the throw ends the replay between two pages.
      signal.throwIfAborted();
      progress = latest;
      wake();
    })
    .then(
      (report) => ({ report }),
      (error: unknown) => ({ error: error instanceof Fault ? error.code : 'internal.error' }),
    );
  let last: Awaited<typeof running> | undefined;
  void running.then((result) => {
    last = result;
    wake();
  });
  while (last === undefined) {
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (progress !== undefined || last !== undefined) resolve();
    });
    if (progress !== undefined) yield line({ progress });
    progress = undefined;
  }
  yield line(last);
}

function line(value: object): Uint8Array {
  return utf8(`${JSON.stringify(value)}\n`);
}
