import type { Turn } from '#journal';
import type { Call, Verb } from '../backend.ts';
import type { Core } from '../core.ts';
import { createFields } from '../fields.ts';
import { scopeOfEnvironment } from '../mounts/mount.ts';
import { below } from '../records.ts';
import type { Caller } from './caller.ts';
import type { Incoming } from './incoming.ts';
import type { Route } from './route.ts';

/** A request as the handler of its route sees it. */
export function callOf(
  turn: Turn,
  core: Core,
  request: Incoming,
  route: Route,
  caller: Caller | undefined,
  verb: Verb,
): Call {
  const { mount } = route;
  return {
    request,
    verb,
    path: route.path,
    params: route.params,
    fields: createFields(request.body),
    mount,
    store: below(turn.space(scopeOfEnvironment(mount.environment)), `mount/${mount.id}/`),
    turn,
    now: turn.now,
    caller,
    core,
  };
}
