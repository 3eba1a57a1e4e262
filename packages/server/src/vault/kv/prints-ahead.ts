import type { Core } from '../core.ts';
import { fingerprintsOf, type Prints } from '../environments/fingerprints.ts';
import { rawMember } from '../raw-member.ts';
import type { Incoming } from '../request/incoming.ts';

const made = new WeakMap<Incoming, Prints>();
/** For more than that it is first found out, in the turn, whether its caller may ask at all. */
const maxAheadBytes = 64 * 1024;

/**
 * The fingerprints of what a write brings depend on nothing but the request, so they are made before its turn: the thread
 * has time while the batch before is committed.
 */
export function makePrintsAhead(request: Incoming, core: Core): void {
  const { method, bodyBytes } = request;
  if ((method !== 'POST' && method !== 'PUT') || bodyBytes.length > maxAheadBytes) return;
  const data = rawMember(bodyBytes, 'data');
  if (data !== undefined) made.set(request, fingerprintsOf(data, core.fingerprintKey));
}

/** Those of the request's own data; undefined where they were not made. */
export function printsMadeAhead(request: Incoming): Prints | undefined {
  return made.get(request);
}
