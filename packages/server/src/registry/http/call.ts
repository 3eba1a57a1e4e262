import { Fault } from '@sallyport/formats';
import type { Actor, StreamReply } from '#platform';

/** One request, after the platform found out who calls and whether they may. */
export interface Call {
  readonly method: string;
  readonly actor: Actor;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** `tag` in the query: the one parameter that may stand there more than once. */
  readonly tags: readonly string[];
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
  readonly reply: StreamReply;
  notAllowed(): Fault;
}

/** Each parameter once: of two equal ones, one reader takes the first and another the last. */
export function singleQuery(
  query: Readonly<Record<string, string | string[] | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const single: Record<string, string | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(query)) {
    if (name === 'tag') continue;
    if (Array.isArray(value))
      throw new Fault('invalid', 'registry.query_invalid', `expected "${name.slice(0, 50)}" once`);
    single[name] = value;
  }
  return single;
}

export function tagsOf(query: Readonly<Record<string, string | string[] | undefined>>): readonly string[] {
  const tags = query['tag'] ?? [];
  return typeof tags === 'string' ? [tags] : tags;
}

/**
 * The body of a request, which breaking off the reading does not destroy: destroying it would cut the connection, and
 * the caller would never read why it was refused.
 */
export function unbroken(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
}

const maxDrainBytes = 16 * 1024 * 1024;

/** Reads what is left, within bounds, so that a client that writes before it reads comes to our answer. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > maxDrainBytes) return;
    }
  } catch {
    // The caller went away: then nobody is left to be answered.
  }
}
