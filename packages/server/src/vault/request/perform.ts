import { Fault } from '@sallyport/formats';
import type { Turn } from '#journal';
import type { Call, Handler, Prepared, Reply } from '../backend.ts';
import type { Core } from '../core.ts';
import { authOf, type Issued, issueLogin } from '../tokens/issue.ts';
import { spendUse } from '../tokens/uses.ts';
import { wrapInfoOf, wrapReply } from '../wrapping/wrap.ts';
import { admit, type Findings, usedToken } from './admit.ts';
import { callerOf } from './caller.ts';
import type { Outcome } from './exchange.ts';
import { helpOf } from './help.ts';
import type { Incoming } from './incoming.ts';

/** What was prepared for one handler; decided with only if the same handler is still the one to ask. */
export interface Preparation {
  readonly handler: Handler;
  readonly value: unknown;
}

export interface Performed {
  readonly reply: Reply;
  readonly mountType: string;
  readonly outcome: Outcome;
}

/** Everything between a request and its answer, in one turn. Throws the refusal. */
export function perform(
  turn: Turn,
  core: Core,
  request: Incoming,
  preparation: Preparation | Fault | undefined,
  findings: Findings,
): Performed {
  const { call, route, handler } = admit(turn, core, request, findings);
  const mountType = route.mount.type;
  const told =
    handler === undefined ? { data: helpOf(route), bare: true as const } : run(handler, call, preparation);

  const issued =
    told.login === undefined ? told.issued : issueLogin(turn, core, route.mount, request.path, told.login);
  const reply = withTokens(turn, told, issued);
  const wrap = wrapOf(turn, core, request, reply, mountType, issued);
  const wrapped = wrap?.issued ?? told.wrapped;
  const left = spendUse(turn, usedToken(findings));
  return {
    // What follows from the answer follows from it wrapped, too.
    reply: wrap === undefined ? reply : { ...afterOf(reply), ...wrap.reply },
    mountType,
    outcome: {
      reply: reply.refusal === undefined ? reply : undefined,
      error: reply.refusal,
      issued: issued === undefined ? undefined : { token: issued, caller: callerOf(turn, issued.entry) },
      wrapped,
      remainingUses: left,
    },
  };
}

/** Tokens that the handler or a login made, as answers show them. Most replies have none. */
function withTokens(turn: Turn, told: Reply, issued: Issued | undefined): Reply {
  if (issued === undefined && told.wrapped === undefined) return told;
  return {
    ...told,
    ...(issued === undefined ? {} : { auth: authOf(turn, issued) }),
    ...(told.wrapped === undefined ? {} : { wrap: wrapInfoOf(told.wrapped) }),
  };
}

function afterOf({ after }: Reply): Pick<Reply, 'after'> {
  return after === undefined ? {} : { after };
}

function run(handler: Handler, call: Call, preparation: Preparation | Fault | undefined): Reply {
  if (typeof handler === 'function') return handler(call);
  if (preparation instanceof Fault) throw preparation;
  if (preparation?.handler !== handler) {
    throw new Fault('unavailable', 'vault.moved', 'what this path leads to changed while it was asked', {
      hint: 'try again',
    });
  }
  return (handler as Prepared<unknown>).decide(call, preparation.value);
}

function wrapOf(
  turn: Turn,
  core: Core,
  request: Incoming,
  reply: Reply,
  mountType: string,
  issued: Issued | undefined,
): { readonly reply: Reply; readonly issued: Issued } | undefined {
  const seconds = request.wrapSeconds;
  if (seconds === undefined || reply.unwrappable || reply.raw !== undefined) return undefined;
  if (reply.data === undefined && reply.auth === undefined) return undefined;
  return wrapReply(turn, core, {
    reply,
    requestId: request.id,
    mountType,
    path: request.path,
    seconds,
    ...(issued === undefined ? {} : { accessor: issued.entry.accessor }),
  });
}
