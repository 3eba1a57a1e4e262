/**
 * What clients saw, and whether one order of everything explains it (linearizability, Herlihy and Wing 1990). Every write
 * answers with the number of its version, so the order of the writes of a key is known and the check is exact: each
 * operation must fit between the ends of those before it and the beginnings of those after it.
 */
export interface Operation {
  readonly client: number;
  readonly key: string;
  readonly kind: 'write' | 'read';
  /** Milliseconds on one clock, before the request was sent and after its answer was read. */
  readonly began: number;
  /** Infinity when no answer came: it may have happened at any time since, or never. */
  readonly ended: number;
  /** What a write was answered, or a read gave; 0 for "nothing there". Unknown without an answer. */
  readonly version?: number;
  readonly value?: string;
}

/** The first contradictions found, in words; none when the history is linearizable. */
export function contradictions(history: readonly Operation[]): readonly string[] {
  const byKey = Map.groupBy(history, (operation) => operation.key);
  return [...byKey].flatMap(([key, operations]) => ofKey(key, operations)).slice(0, 20);
}

function ofKey(key: string, operations: readonly Operation[]): readonly string[] {
  const found: string[] = [];
  const writes = operations.filter((each) => each.kind === 'write');
  const answered = operations.filter((each) => each.version !== undefined);
  const unanswered = new Set(writes.flatMap((each) => (each.version === undefined ? [each.value] : [])));
  const byVersion = new Map<number, Operation>();
  for (const write of writes) {
    if (write.version === undefined) continue;
    const twin = byVersion.get(write.version);
    if (twin !== undefined) found.push(`${key}: two writes were answered version ${write.version}`);
    byVersion.set(write.version, write);
  }
  for (const read of answered) {
    if (read.kind !== 'read' || read.version === undefined || read.version === 0) continue;
    const write = byVersion.get(read.version);
    if (write === undefined) {
      if (!unanswered.has(read.value))
        found.push(`${key}: a read gave version ${read.version}, which nobody wrote`);
    } else {
      if (write.value !== read.value) found.push(`${key}: version ${read.version} has two values`);
      if (read.ended < write.began)
        found.push(`${key}: version ${read.version} was read before it was written`);
    }
  }
  return [...found, ...disorder(key, answered)];
}

/**
 * If one operation ended before another began, its version is not higher; and lower if the other is a write. Sorted by
 * their ends, it is enough to know the highest version that had ended before each beginning.
 */
function disorder(key: string, answered: readonly Operation[]): readonly string[] {
  const found: string[] = [];
  const ends = answered.toSorted((one, other) => one.ended - other.ended);
  const begins = answered.toSorted((one, other) => one.began - other.began);
  let next = 0;
  let highest = 0;
  for (const operation of begins) {
    for (let ended = ends[next]; ended !== undefined && ended.ended < operation.began; ended = ends[next]) {
      highest = Math.max(highest, ended.version ?? 0);
      next += 1;
    }
    const version = operation.version ?? 0;
    if (operation.kind === 'read' ? version < highest : version <= highest)
      found.push(
        `${key}: a ${operation.kind} that began at ${operation.began} got version ${version}, after ${highest} was known`,
      );
  }
  return found;
}

/** A token's life as clients saw it. */
export interface TokenUse {
  readonly token: string;
  readonly kind: 'use' | 'revoke';
  readonly began: number;
  readonly ended: number;
  /** Of a use: whether it was let in. Of a revocation: whether it was answered. */
  readonly ok: boolean;
}

/** Uses that were let in after the revocation had been answered, and refusals before anybody revoked. */
export function tokenContradictions(history: readonly TokenUse[]): readonly string[] {
  const found: string[] = [];
  for (const [token, uses] of Map.groupBy(history, (use) => use.token)) {
    const revocations = uses.filter((use) => use.kind === 'revoke');
    const revokedAt = Math.min(...revocations.filter((use) => use.ok).map((use) => use.ended));
    const firstTried = Math.min(...revocations.map((use) => use.began));
    for (const use of uses) {
      if (use.kind !== 'use') continue;
      if (use.ok && use.began > revokedAt)
        found.push(`token ${token} was let in after its revocation was answered`);
      if (!use.ok && use.ended < firstTried)
        found.push(`token ${token} was refused before anybody revoked it`);
    }
  }
  return found.slice(0, 20);
}
