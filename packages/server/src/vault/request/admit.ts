import type { Turn } from '#journal';
import type { Call, Handler, Verb } from '../backend.ts';
import type { Core } from '../core.ts';
import { cidrsContain } from '../credentials/cidr.ts';
import { noHandler, permissionDenied, unsupportedOperation, unsupportedPath } from '../errors.ts';
import { type Mount, systemEnvironment } from '../mounts/mount.ts';
import type { TokenEntry } from '../tokens/entry.ts';
import { accessorOf } from '../tokens/secret.ts';
import { findToken } from '../tokens/tokens.ts';
import { callOf } from './call.ts';
import { type Caller, callerOf } from './caller.ts';
import type { Incoming } from './incoming.ts';
import { findRoute, type Route } from './route.ts';

/** A request that may be answered: by whom, for whom, with what. */
export interface Admitted {
  readonly call: Call;
  readonly route: Route;
  readonly handler: Handler | undefined;
}

/** What is known of a request, also of one that is refused: for its audit. */
export interface Findings {
  verb: Verb | 'help';
  route: Route | undefined;
  caller: Caller | undefined;
  allowed: boolean | undefined;
}

export function noFindings(): Findings {
  return { verb: 'read', route: undefined, caller: undefined, allowed: undefined };
}

/** The token that the request took a use of: on open paths it was not what let the request in. */
export function usedToken({ route, caller, verb }: Findings): TokenEntry | undefined {
  return route?.spec?.open !== undefined && verb !== 'help' ? undefined : caller?.token;
}

/** The caller behind the request's token, or `undefined`: no token, an unknown one, one whose time is up. */
export function callerOfRequest(turn: Turn, core: Core, request: Incoming): Caller | undefined {
  if (request.token === undefined) return undefined;
  const accessor = accessorOf(core.tokenKey, request.token);
  const entry = accessor === undefined ? undefined : findToken(turn, accessor);
  if (entry === undefined) return undefined;
  // Used from elsewhere, a token looks like none at all.
  if (entry.boundCidrs.length > 0 && !cidrsContain(entry.boundCidrs, request.remoteAddress)) return undefined;
  const caller = callerOf(turn, entry);
  return caller.barred ? undefined : caller;
}

/**
 * Decides whether the request may be answered; throws the refusal otherwise. Deny by default: a path that does not
 * exist is refused to whoever may not know.
 */
export function admit(turn: Turn, core: Core, request: Incoming, findings: Findings): Admitted {
  const route = findRoute(turn, core, request.path);
  findings.route = route;
  findings.verb = request.help ? 'help' : verbOf(request);
  const caller = callerOfRequest(turn, core, request);
  findings.caller = caller;
  const open = route?.spec?.open !== undefined && !request.help;
  if (!open && caller === undefined) throw permissionDenied();
  if (request.help) return help(turn, core, request, route, caller);
  if (route === undefined) {
    requireAllowed(caller, request, findings, { mount: undefined, verb: verbOf(request) });
    throw noHandler(request.path);
  }

  let call = callOf(turn, core, request, route, caller, verbOf(request));
  if (call.verb === 'update' && route.spec?.exists !== undefined && !route.spec.exists(call))
    call = { ...call, verb: 'create' };
  findings.verb = call.verb;
  if (!open) {
    const { sudo } = requireAllowed(caller, request, findings, { mount: route.mount, verb: call.verb });
    if (route.spec?.sudo && !sudo) {
      findings.allowed = false;
      throw permissionDenied();
    }
  }
  if (route.spec === undefined) throw unsupportedPath();
  const handler = route.spec.on[call.verb] ?? (call.verb === 'create' ? route.spec.on.update : undefined);
  if (handler === undefined) throw unsupportedOperation();
  return { call, route, handler };
}

function requireAllowed(
  caller: Caller | undefined,
  request: Incoming,
  findings: Findings,
  asked: { readonly mount: Mount | undefined; readonly verb: Verb },
): { readonly sudo: boolean } {
  if (caller === undefined) throw permissionDenied();
  const { mount, verb } = asked;
  const environment = mount?.environment ?? systemEnvironment;
  const reachable = mayReach(caller, mount);
  const verdict = caller.acl.check({
    operation: verb,
    path: verb === 'list' ? `${request.path}/` : request.path,
    data: request.body,
    wrapTtlSeconds: request.wrapSeconds,
    ...(environment === systemEnvironment ? {} : { environment }),
  });
  findings.allowed = reachable && verdict.allowed;
  if (!reachable) throw permissionDenied();
  if (!verdict.allowed) throw permissionDenied();
  return verdict;
}

/**
 * A token stays in its environments. A login method of the whole installation gives tokens for any of them, so whoever
 * changes what it believes, a role, a password, a key, has to reach all.
 */
function mayReach(caller: Caller, mount: Mount | undefined): boolean {
  const { environments } = caller.token;
  if (mount === undefined || environments.includes('*')) return true;
  if (mount.environment !== systemEnvironment) return environments.includes(mount.environment);
  return mount.kind !== 'auth' || mount.type === 'token';
}

function help(
  turn: Turn,
  core: Core,
  request: Incoming,
  route: Route | undefined,
  caller: Caller | undefined,
): Admitted {
  if (route === undefined) throw noHandler(request.path);
  return { call: callOf(turn, core, request, route, caller, 'read'), route, handler: undefined };
}

/** What Go takes for true: clients send `list=1` as well. */
const listing = new Set(['true', '1', 't', 'T', 'True', 'TRUE']);

function verbOf(request: Incoming): Verb {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return listing.has(request.query['list'] ?? '') ? 'list' : 'read';
    case 'LIST':
      return 'list';
    case 'POST':
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
  }
}
