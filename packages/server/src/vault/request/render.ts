import type { Fault } from '@sallyport/formats';
import { RawJson } from '../audit/json-walk.ts';
import type { Reply } from '../backend.ts';
import { errorBody, statusOf } from '../errors.ts';
import type { JsonObject } from '../fields.ts';

/** An answer on its way out. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Wiped after it was sent. Absent: no body. */
  readonly body: Buffer | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Runs when the answer is durable, before it is sent: what must not happen for an unaudited request. */
  readonly after?: (() => void | Promise<void>) | undefined;
  /** Runs last, and only when nothing keeps the answer from leaving. */
  readonly beforeSent?: (() => Promise<void>) | undefined;
}

const json = 'application/json';

/** Vault's envelope. Its order is not a promise; that every field is there is one: clients read them unasked. */
export function renderReply(reply: Reply, requestId: string, mountType: string): Answer {
  if (reply.refusal !== undefined) return renderFault(reply.refusal);
  const { contentType, body } = contentOf(reply, requestId, mountType);
  const { status = body === undefined && reply.bare !== true ? 204 : 200, headers = noHeaders } = reply;
  // Not spread: each request makes one of these.
  const { after, beforeSent } = reply;
  return { status, contentType, body, headers, after, beforeSent };
}

const noHeaders: Answer['headers'] = Object.freeze({});

function contentOf(reply: Reply, requestId: string, mountType: string): Pick<Answer, 'contentType' | 'body'> {
  const { data, raw } = reply;
  if (raw !== undefined) return raw;
  if (reply.bare)
    return { contentType: json, body: data === undefined ? undefined : Buffer.from(JSON.stringify(data)) };
  const nothing =
    data === undefined &&
    reply.auth === undefined &&
    reply.wrap === undefined &&
    (reply.warnings === undefined || reply.warnings.length === 0);
  return { contentType: json, body: nothing ? undefined : envelope(reply, requestId, mountType) };
}

/** The body of an answer, which is also what wrapping keeps. */
export function envelope(reply: Reply, requestId: string, mountType: string): Buffer {
  const { data, lease } = reply;
  const head = `{"request_id":${JSON.stringify(requestId)},"lease_id":${lease === undefined ? '""' : JSON.stringify(lease.id)},"renewable":${lease?.renewable ?? false},"lease_duration":${lease?.seconds ?? 0},"data":`;
  const warnings = reply.warnings?.length === 0 ? undefined : reply.warnings;
  const flat = reply.flat && data !== undefined && !(data instanceof RawJson) ? flatFields(data) : '';
  const tail = `,"wrap_info":${jsonOf(reply.wrap)},"warnings":${jsonOf(warnings)},"auth":${jsonOf(reply.auth)},"mount_type":${JSON.stringify(mountType)}${flat}}\n`;
  if (data !== undefined && data instanceof RawJson) {
    return joined(head, data.bytes, tail);
  }
  return Buffer.from(head + JSON.stringify(data ?? null) + tail);
}

/** Most answers have none of it. */
function jsonOf(value: object | undefined): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}

/** In one buffer, which is wiped later: three that are joined cost twice as much. */
function joined(head: string, bytes: Buffer, tail: string): Buffer {
  const headSize = Buffer.byteLength(head);
  const tailSize = Buffer.byteLength(tail);
  const all = Buffer.allocUnsafe(headSize + bytes.length + tailSize);
  all.write(head, 0);
  all.set(bytes, headSize);
  all.write(tail, headSize + bytes.length);
  return all;
}

const envelopeFields = new Set([
  'request_id',
  'lease_id',
  'renewable',
  'lease_duration',
  'data',
  'wrap_info',
  'warnings',
  'auth',
  'mount_type',
]);

function flatFields(data: JsonObject): string {
  return Object.entries(data)
    .filter(([name]) => !envelopeFields.has(name))
    .map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`)
    .join('');
}

export function renderFault(fault: Fault): Answer {
  const status = statusOf(fault);
  const headers = status === 429 || status === 503 ? { 'retry-after': '1' } : {};
  return { status, contentType: json, body: Buffer.from(`${JSON.stringify(errorBody(fault))}\n`), headers };
}
