import type { Client } from '@sallyport/sdk';
import type { Asked } from './filter.ts';

export interface AuditLine {
  readonly time: string;
  readonly entry: Entry;
}

/** What is shown of a line; with --json all of it is printed. */
interface Entry {
  readonly type: string;
  readonly auth?: { readonly display_name?: string; readonly entity_id?: string };
  readonly request?: {
    readonly id?: string;
    readonly operation?: string;
    readonly path?: string;
    readonly remote_address?: string;
  };
  readonly error?: string;
}

export interface AuditPage {
  readonly lines: readonly AuditLine[];
  readonly next: string;
  readonly complete: boolean;
  readonly read: number;
  readonly malformed: number;
}

/** One part of the audit. The value travels in the body of a request, which nobody logs. */
export async function readPage(
  client: Client,
  { body, value }: Asked,
  more: Readonly<Record<string, string | number>>,
): Promise<AuditPage> {
  const asked = { ...body, ...more };
  if (value === undefined) return await client.transport.json('GET', '/api/audit', { query: asked });
  return await client.transport.json('POST', '/api/audit/search', {
    body: { ...asked, value: value.exposeUtf8() },
  });
}

/** One line for people: when, what, who, from where, and why not. */
export function shown({ time, entry }: AuditLine): string {
  const { auth, request, error } = entry;
  const what = `${request?.operation ?? '-'} ${request?.path ?? '-'}`;
  const who = auth?.display_name ?? auth?.entity_id ?? '-';
  const kind = entry.type === 'request' ? 'asked ' : '';
  return `${time}  ${kind}${what}  ${who}  ${request?.remote_address ?? '-'}${error === undefined ? '' : `  refused: ${error}`}`;
}
