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
  readonly after?: () => void | Promise<void>;
  /** Runs last, and only when nothing keeps the answer from leaving. */
  readonly beforeSent?: () => Promise<void>;
}

const json = 'application/json';

/** Vault's envelope. Its order is not a promise; that every field is there is one: clients read them unasked. */
export function renderReply(reply: Reply, requestId: string, mountType: string): Answer {
  if (reply.refusal !== undefined) return renderFault(reply.refusal);
  const headers = reply.headers ?? {};
  const after = {
    ...(reply.after === undefined ? {} : { after: reply.after }),
    ...(reply.beforeSent === undefined ? {} : { beforeSent: reply.beforeSent }),
  };
  if (reply.raw !== undefined) {
    return {
      status: reply.status ?? 200,
      contentType: reply.raw.contentType,
      body: reply.raw.body,
      headers,
      ...after,
    };
  }
  const { data } = reply;
  if (reply.bare) {
    const body = data === undefined ? undefined : Buffer.from(JSON.stringify(data));
    return { status: reply.status ?? 200, contentType: json, body, headers, ...after };
  }
  const nothing =
    data === undefined &&
    reply.auth === undefined &&
    reply.wrap === undefined &&
    (reply.warnings === undefined || reply.warnings.length === 0);
  if (nothing) return { status: reply.status ?? 204, contentType: json, body: undefined, headers, ...after };
  return {
    status: reply.status ?? 200,
    contentType: json,
    body: envelope(reply, requestId, mountType),
    headers,
    ...after,
  };
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
