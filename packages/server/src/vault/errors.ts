import { Fault } from '@sallyport/formats';
import type { JsonObject } from './fields.ts';

/** Refusals that clients of Vault know by their text. */

export function permissionDenied(why?: string): Fault {
  return new Fault(
    'denied',
    'vault.permission_denied',
    'permission denied',
    why === undefined ? {} : { hint: why },
  );
}

export function badRequest(message: string): Fault {
  return new Fault('invalid', 'vault.bad_request', message);
}

/** `404 {"errors": []}`: nothing is there. */
export function nothingHere(): Fault {
  return new Fault('not_found', 'vault.nothing', '');
}

export function unsupportedOperation(): Fault {
  return new Fault('invalid', 'vault.unsupported_operation', 'unsupported operation');
}

export function noHandler(path: string): Fault {
  return new Fault(
    'not_found',
    'vault.no_handler',
    `no handler for route ${JSON.stringify(path)}. route entry not found.`,
  );
}

export function unsupportedPath(): Fault {
  return new Fault('not_found', 'vault.unsupported_path', 'unsupported path');
}

export function statusOf(fault: Fault): number {
  if (fault.code === 'vault.unsupported_operation') return 405;
  if (fault.code === 'vault.too_large') return 413;
  if (fault.code === 'vault.upstream') return 502;
  return statuses[fault.kind];
}

const statuses: Readonly<Record<Fault['kind'], number>> = {
  invalid: 400,
  unauthenticated: 403,
  denied: 403,
  not_found: 404,
  conflict: 400,
  precondition: 412,
  exhausted: 429,
  unavailable: 503,
  integrity: 500,
  internal: 500,
};

/** What `{"errors": […]}` says. Causes stay inside: they may name files and hosts. */
export function errorBody(fault: Fault): JsonObject {
  if (fault.code === 'journal.closed' || fault.code === 'keyring.closed')
    return { errors: ['Vault is sealed'] };
  if (fault.message === '') return { errors: [] };
  return { errors: fault.hint === undefined ? [fault.message] : [`${fault.message}: ${fault.hint}`] };
}
