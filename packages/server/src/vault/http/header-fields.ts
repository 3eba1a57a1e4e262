import type { Answer } from '../request/render.ts';

/** The header fields of an answer, besides those that say how long it is and what becomes of the connection. */
export function fieldsOf({
  contentType,
  headers,
}: Pick<Answer, 'contentType' | 'headers'>): Record<string, string> {
  return { 'content-type': contentType, 'cache-control': 'no-store', ...headers };
}
