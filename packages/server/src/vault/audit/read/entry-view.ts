/** What a search looks at, read from a parsed line; `undefined` where the line does not say it. */
export interface EntryView {
  readonly time: number | undefined;
  readonly type: string | undefined;
  readonly path: string | undefined;
  readonly operation: string | undefined;
  readonly requestId: string | undefined;
  readonly entityId: string | undefined;
  readonly displayName: string | undefined;
  readonly accessors: readonly string[];
  readonly error: string | undefined;
}

/** Reads own members only: a line is what a file said, and may name `__proto__`. */
export function viewOf(line: unknown): EntryView {
  const auth = member(line, 'auth');
  const request = member(line, 'request');
  const given = member(member(line, 'response'), 'auth');
  const time = Date.parse(text(line, 'time') ?? '');
  return {
    time: Number.isNaN(time) ? undefined : time,
    type: text(line, 'type'),
    path: text(request, 'path'),
    operation: text(request, 'operation'),
    requestId: text(request, 'id'),
    entityId: text(auth, 'entity_id') ?? text(given, 'entity_id'),
    displayName: text(auth, 'display_name') ?? text(given, 'display_name'),
    accessors: [
      text(auth, 'accessor'),
      text(request, 'client_token_accessor'),
      text(given, 'accessor'),
    ].filter((accessor) => accessor !== undefined),
    error: text(line, 'error'),
  };
}

/** Whether `wanted` stands anywhere in the line as a whole string. Without recursion: a line may be deep. */
export function holdsText(line: unknown, wanted: string): boolean {
  const open: unknown[] = [line];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (value === wanted) return true;
    if (typeof value !== 'object' || value === null) continue;
    for (const inner of Object.values(value)) if (inner !== null && inner !== undefined) open.push(inner);
  }
  return false;
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

function text(value: unknown, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === 'string' && found !== '' ? found : undefined;
}
