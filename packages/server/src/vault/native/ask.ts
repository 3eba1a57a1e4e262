import { type Fault, isFault } from '@sallyport/formats';
import type { Turn } from '#journal';
import type { Audited } from '../audit/audited.ts';
import { RawJson } from '../audit/json-walk.ts';
import type { Call, Reply, Verb } from '../backend.ts';
import type { Core } from '../core.ts';
import { nothingHere } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { type Findings, noFindings } from '../request/admit.ts';
import { callOf } from '../request/call.ts';
import { exchangeOf } from '../request/exchange.ts';
import type { Incoming } from '../request/incoming.ts';
import { findRoute } from '../request/route.ts';
import { type NativeActor, nativeCaller } from './caller.ts';
import { environmentMount, makeEnvironmentMount } from './mount.ts';

/** A request to the engine of an environment by a caller whom the native interface has authorised. */
export interface Ask {
  readonly by: NativeActor;
  /** `project/name`. */
  readonly environment: string;
  readonly verb: Extract<Verb, 'read' | 'update' | 'list'>;
  /** Below the mount of the environment, such as `data/orders/database`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  /** The body as bytes, for what must keep them; the caller wipes it. */
  readonly bodyBytes?: Buffer;
  /** Runs before the engine decides; a Fault it throws is the refusal. */
  readonly check?: (call: Call) => void;
}

export interface AskDeps {
  readonly audited: Audited;
  readonly core: Core;
  readonly wallNow: () => number;
}

/** What is taken out of a reply, in its turn: the reply's own bytes are gone afterwards. */
export type Take<R> = (reply: Reply, call: Call) => R;

/**
 * Asks the same handlers as a request of a Vault client, in a turn, audited like one, with the native caller in place
 * of a token. Resolves when the audit is durable, with `undefined` where nothing is; a refusal is audited and thrown.
 * What `take` gave for a turn that did not count is given to `drop`.
 */
export type AskEngine = <R>(ask: Ask, take: Take<R>, drop?: (taken: R) => void) => Promise<R | undefined>;

export function createAsk({ audited, core, wallNow }: AskDeps): AskEngine {
  return async (ask, take, drop = () => undefined) => {
    const request = incomingOf(core, ask);
    let taken: { readonly value: ReturnType<typeof take> } | undefined;
    let raw: Buffer | undefined;
    let after: Reply['after'];
    function letGo(): void {
      raw?.fill(0);
      if (taken !== undefined) drop(taken.value);
      taken = undefined;
    }
    try {
      const refusal = await audited((turn) => {
        // Decided anew, because the state moved.
        letGo();
        after = undefined;
        const findings = noFindings();
        try {
          const { call, reply } = perform(turn, ask, request, findings);
          raw = reply.data instanceof RawJson ? reply.data.bytes : undefined;
          after = reply.after;
          if (reply.refusal === undefined) taken = { value: take(reply, call) };
          return told(turn, findings, reply.refusal === undefined ? { reply } : { error: reply.refusal });
        } catch (error) {
          if (!isFault(error)) throw error;
          after = undefined;
          turn.undo();
          return told(turn, findings, { error });
        }
      });
      if (refusal !== undefined && refusal.code !== nothingCode) throw refusal;
      raw?.fill(0);
      await after?.();
      return taken?.value;
    } catch (error) {
      letGo();
      throw error;
    }

    function told(turn: Turn, findings: Findings, outcome: { reply: Reply } | { error: Fault }) {
      return {
        answer: 'error' in outcome ? outcome.error : undefined,
        exchange: exchangeOf(request, findings, outcome, turn.now, wallNow()),
      };
    }
  };

  function perform(turn: Turn, ask: Ask, request: Incoming, findings: Findings) {
    const { by, environment, verb } = ask;
    const caller = nativeCaller(turn, by, environment);
    Object.assign(findings, { caller, verb, allowed: true });
    const mount =
      verb === 'update' ? makeEnvironmentMount(turn, core, environment) : environmentMount(turn, environment);
    const route = findRoute(turn, core, request.path);
    // Another mount may be what the path leads to while there is none of this environment.
    if (mount === undefined || route?.mount.id !== mount.id) throw nothingHere();
    findings.route = route;
    const call = callOf(turn, core, request, route, caller, verb);
    if (verb === 'update' && route.spec?.exists?.(call) === false) findings.verb = 'create';
    const handler = route.spec?.on[verb];
    // The engine's own paths are asked for, and none of them prepares anything.
    if (typeof handler !== 'function') throw nothingHere();
    ask.check?.(call);
    return { call, reply: handler(call) };
  }
}

const nothingCode = nothingHere().code;
const methods = { read: 'GET', list: 'LIST', update: 'POST' } as const;

export function incomingOf(core: Core, { environment, verb, path, query, body, bodyBytes }: Ask): Incoming {
  return {
    id: core.uuid(),
    method: methods[verb],
    path: `${environment}/${path}`,
    listing: false,
    help: false,
    query: query ?? {},
    body: body ?? {},
    bodyBytes: bodyBytes ?? Buffer.alloc(0),
    token: undefined,
    wrapSeconds: undefined,
    headers: {},
    remoteAddress: '',
    remotePort: 0,
    certificate: undefined,
  };
}
