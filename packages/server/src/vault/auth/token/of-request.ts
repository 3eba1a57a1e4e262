import { Fault } from '@sallyport/formats';
import type { Call } from '../../backend.ts';
import { badRequest } from '../../errors.ts';
import { reachesAll } from '../../mounts/environment.ts';
import { entryPath, type TokenEntry, tokenCodec, tokenSpace } from '../../tokens/entry.ts';
import { accessorOf } from '../../tokens/secret.ts';
import { findToken } from '../../tokens/tokens.ts';
import { callerOf } from './create.ts';

/** The token a request is about, and what to show as its id. */
export interface Subject {
  readonly entry: TokenEntry;
  /** Empty where only the accessor is known: it must not lead to the token. */
  readonly id: string;
}

export function subjectSelf(call: Call): Subject {
  return { entry: callerOf(call).token, id: call.request.token ?? '' };
}

export function subjectByToken(call: Call): Subject {
  const found = tokenOf(call);
  if (found === undefined) throw badRequest('token not found');
  return found;
}

/** As `subjectByToken`, with the refusal that clients know from lookups: 403, as if the token had been used. */
export function subjectToShow(call: Call): Subject {
  const found = tokenOf(call);
  if (found === undefined) throw new Fault('denied', 'vault.bad_token', 'bad token');
  return found;
}

function tokenOf(call: Call): Subject | undefined {
  const token = call.fields.findText('token') ?? call.params['token'] ?? call.request.token ?? '';
  if (token === '') throw badRequest('missing token ID');
  const accessor = accessorOf(call.core.tokenKey, token);
  const entry = accessor === undefined ? undefined : findToken(call.turn, accessor);
  return entry === undefined ? undefined : { entry, id: token };
}

export function subjectByAccessor(call: Call): Subject {
  const accessor = call.fields.findText('accessor') ?? call.params['accessor'] ?? '';
  if (accessor === '') throw badRequest('missing accessor ID');
  const entry = /^[\w-]{24}$/.test(accessor) ? findToken(call.turn, accessor) : undefined;
  const known = entry !== undefined && entry.type !== 'batch' && reachesAll(call.caller, entry.environments);
  if (!known) throw badRequest('invalid accessor');
  return { entry, id: '' };
}

/** For lists: tokens of environments that the caller does not reach, and those that the next sweep will remove, are left out. */
export function listedTokens(call: Call): readonly TokenEntry[] {
  const space = tokenSpace(call.turn);
  return space.list('token/id/').flatMap((accessor) => {
    const entry = space.read(entryPath(accessor), tokenCodec);
    return entry === undefined ||
      entry.type === 'batch' ||
      !reachesAll(call.caller, entry.environments) ||
      (entry.expiresAt !== 0 && entry.expiresAt <= call.now)
      ? []
      : [entry];
  });
}
