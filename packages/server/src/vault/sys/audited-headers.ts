import { recordAt, type Turn } from '#journal';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { jsonCodec } from '../records.ts';

/** Request headers that audit lines show, names in lower case; with `hmac` as hashes. */
export type AuditedHeaders = Readonly<Record<string, { readonly hmac: boolean }>>;

const record = recordAt('core/audited-headers');
const codec = jsonCodec<AuditedHeaders>(true);
const none: AuditedHeaders = {};
const maxHeaders = 128;
// RFC 9110 section 5.6.2.
const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/;
/** These hold a token whenever they are there: an allowlist must not be the way to write it down. */
const never = new Set(['x-vault-token', 'authorization', 'cookie', 'proxy-authorization']);

/** The same object while nothing changes. */
export function auditedHeaders(turn: Turn): AuditedHeaders {
  return turn.space('system').read(record, codec) ?? none;
}

export const auditedHeaderPaths: readonly PathSpec[] = [
  {
    pattern: 'config/auditing/request-headers',
    synopsis: 'List the request headers that are audited.',
    sudo: true,
    on: { read: (call) => ({ data: { headers: auditedHeaders(call.turn) }, flat: true }) },
  },
  {
    pattern: 'config/auditing/request-headers/:header',
    synopsis: 'Audit a request header, show how, or stop it.',
    sudo: true,
    fields: { hmac: { type: 'boolean', doc: 'Whether its value is hashed.' } },
    on: { read, update, delete: remove },
  },
];

function read(call: Call): Reply {
  const found = auditedHeaders(call.turn)[nameOf(call)];
  if (found === undefined) throw badRequest('Could not find header in config');
  return { data: { [call.params['header'] ?? '']: found }, flat: true };
}

function update(call: Call): Reply {
  const name = nameOf(call);
  if (never.has(name)) throw badRequest(`expected a header that carries no credential, got "${name}"`);
  const before = auditedHeaders(call.turn);
  if (Object.keys(before).length >= maxHeaders)
    throw badRequest(`expected at most ${maxHeaders} audited headers`);
  return write(call, { ...before, [name]: { hmac: call.fields.boolean('hmac', false) } });
}

function remove(call: Call): Reply {
  const { [nameOf(call)]: _gone, ...left } = auditedHeaders(call.turn);
  return write(call, left);
}

function write(call: Call, headers: AuditedHeaders): Reply {
  call.turn.space('system').write(record, codec, headers);
  return {};
}

function nameOf(call: Call): string {
  const name = (call.params['header'] ?? '').toLowerCase();
  if (!headerName.test(name)) throw badRequest('expected the name of a header, got another text');
  return name;
}
