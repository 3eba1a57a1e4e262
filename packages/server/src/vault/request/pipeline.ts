import { Fault, isFault } from '@sallyport/formats';
import type { Decide, Journal, Turn } from '#journal';
import type { Log } from '#platform';
import { RawJson } from '../audit/json-walk.ts';
import type { AuditRegistry, Copies } from '../audit/registry.ts';
import type { Handler } from '../backend.ts';
import type { Core } from '../core.ts';
import { quotasOf } from '../sys/quota.ts';
import { createQuotaGuard } from '../sys/quota-guard.ts';
import { spendUse } from '../tokens/uses.ts';
import { admit, noFindings, usedToken } from './admit.ts';
import { exchangeOf, type Outcome } from './exchange.ts';
import type { Incoming } from './incoming.ts';
import { type Performed, type Preparation, perform } from './perform.ts';
import { type Answer, renderFault, renderReply } from './render.ts';
import { findRoute } from './route.ts';

export interface Pipeline {
  /** Answers, whatever the request is; rejects only when it could not be audited or the server is sealed. */
  answer(request: Incoming, deadline: Deadline): Promise<Answer>;
}

/** The signal of a request's deadline, whose clock runs from the first call on: most requests prepare nothing. */
export type Deadline = () => AbortSignal;

export interface PipelineDeps {
  readonly journal: Journal;
  readonly core: Core;
  readonly log: Log;
  readonly registry: Pick<AuditRegistry, 'inForce' | 'lines' | 'deliver'>;
  readonly wallNow: () => number;
}

export function createPipeline(deps: PipelineDeps): Pipeline {
  const { journal, core, log, registry } = deps;
  const quotaGuard = createQuotaGuard();

  return {
    async answer(request, deadline) {
      const { limited, route } = journal.peek((turn) => ({
        limited: quotaOf(turn, request),
        route: findRoute(turn, core, request.path),
      }));
      if (limited !== undefined && !limited.audited) return renderFault(limited.refusal);
      // Waits only for what there is to wait for: each turn of the queue of promises costs as much as a look-up.
      const preparing = limited === undefined && route?.prepares === true;
      const preparation = preparing ? await prepare(request, deadline) : undefined;
      if (limited === undefined) route?.spec?.ahead?.(request, core);
      const { answer, copies } = await journal.run(decideRequest(request, preparation, limited?.refusal));
      if (copies !== undefined) await copied(answer, copies);
      const after = answer.after?.();
      if (after !== undefined) await after;
      if (answer.beforeSent !== undefined) await finish(answer);
      return answer;
    },
  };

  /**
   * Before anything else is done for the request. Not audited unless the operator wants it, as in Vault: whoever floods
   * the server must not fill its audit as well, and nothing is told to them.
   *
   * KNOWN LIMIT: so a refusal by a rate limit is in no audit by default, and each replica counts for itself.
   */
  function quotaOf(turn: Turn, request: Incoming): Limited | undefined {
    const quotas = quotasOf(turn);
    try {
      quotaGuard.check(quotas, request.path, request.remoteAddress, turn.now);
      return undefined;
    } catch (error) {
      if (!isFault(error)) throw error;
      return { refusal: error, audited: quotas.config.auditRefusals };
    }
  }

  async function finish(answer: Answer): Promise<void> {
    try {
      await answer.beforeSent?.();
    } catch (error) {
      answer.body?.fill(0);
      throw error;
    }
  }

  /** What was decided is durable, so what follows from it happens; but the answer leaves only if all have their lines. */
  async function copied(answer: Answer, copies: Copies): Promise<void> {
    try {
      await registry.deliver(copies);
    } catch (error) {
      answer.body?.fill(0);
      await answer.after?.();
      throw error;
    }
  }

  /** Does what is slow before the turn, and only for whoever may ask for it. */
  async function prepare(request: Incoming, deadline: Deadline): Promise<Preparation | Fault | undefined> {
    const begun = await begin(request, deadline);
    if (begun === undefined) return undefined;
    try {
      return { handler: begun.handler, value: await begun.value };
    } catch (error) {
      if (isFault(error)) return error;
      throw error;
    }
  }

  /** Begins within the look at the state: what a preparation reads, it reads before it waits for the first time. */
  async function begin(request: Incoming, deadline: Deadline): Promise<Begun | undefined> {
    for (let round = 0; round < 3; round += 1) {
      try {
        return journal.peek((turn) => {
          const { call, handler } = admit(turn, core, request, noFindings());
          if (handler === undefined || typeof handler === 'function') return undefined;
          return { handler, value: (async () => await handler.prepare(call, deadline()))() };
        });
      } catch (error) {
        if (error instanceof Error && error.name === 'ScopeNotOpen' && 'scope' in error) {
          await journal.openScope(String(error.scope));
          continue;
        }
        // Refused: the turn refuses it again, and writes that down.
        if (isFault(error) && error.kind !== 'unavailable') return undefined;
        throw error;
      }
    }
    return undefined;
  }

  function decideRequest(
    request: Incoming,
    preparation: Preparation | Fault | undefined,
    refusal: Fault | undefined,
  ): Decide<Decided> {
    return (turn) => {
      const before = registry.inForce(turn);
      const findings = noFindings();
      let performed: Performed | undefined;
      let outcome: Outcome;
      let answer: Answer;
      try {
        if (refusal !== undefined) throw refusal;
        performed = perform(turn, core, request, preparation, findings);
        outcome = performed.outcome;
        answer = renderReply(performed.reply, request.id, performed.mountType);
      } catch (error) {
        if (error instanceof Error && error.name === 'ScopeNotOpen') throw error;
        turn.undo();
        const fault = isFault(error) ? error : broken(error, request, log);
        outcome = { error: fault, ...spent(spendUse(turn, usedToken(findings))) };
        answer = renderFault(fault);
      }
      // The wall's clock: how long it took matters here, and nothing depends on it.
      const exchange = exchangeOf(request, findings, outcome, turn.now, deps.wallNow());
      const { audit, copies } = registry.lines(turn, before, exchange);
      const data = performed?.outcome.reply?.data;
      if (data !== undefined && data instanceof RawJson) data.bytes.fill(0);
      return { answer: { answer, copies }, audit };
    };
  }
}

interface Limited {
  readonly refusal: Fault;
  readonly audited: boolean;
}

interface Begun {
  readonly handler: Handler;
  readonly value: Promise<unknown>;
}

interface Decided {
  readonly answer: Answer;
  readonly copies: Copies | undefined;
}

function spent(left: number | undefined): { readonly remainingUses?: number } {
  return left === undefined ? {} : { remainingUses: left };
}

function broken(error: unknown, request: Incoming, log: Log): Fault {
  log.error({ requestId: request.id, err: error }, 'a request met a mistake of ours');
  return new Fault('internal', 'vault.internal', 'internal error', {
    hint: `the server's log tells more under request ${request.id}`,
  });
}
