import type { Turn } from '#journal';
import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { jsonCodec } from '../records.ts';

/** Which pages of other origins may read answers. Off until somebody names origins. */
export interface Cors {
  readonly enabled: boolean;
  readonly allowedOrigins: readonly string[];
  readonly allowedHeaders: readonly string[];
}

const recordPath = 'core/cors';
const codec = jsonCodec<Cors>(true);
const off: Cors = { enabled: false, allowedOrigins: [], allowedHeaders: [] };

/** Every client of the API needs these. */
const standardHeaders = [
  'Content-Type',
  'X-Requested-With',
  'X-Vault-Namespace',
  'X-Vault-Token',
  'X-Vault-Wrap-TTL',
  'Authorization',
];

/** For the HTTP layer. The same object while nothing changes. */
export function corsOf(turn: Turn): Cors {
  return turn.space('system').read(recordPath, codec) ?? off;
}

export const configPaths: readonly PathSpec[] = [
  {
    pattern: 'config/cors',
    synopsis: 'Which other origins may use the API from a browser.',
    sudo: true,
    fields: {
      allowed_origins: { type: 'list', doc: 'Origins, or * alone for all.' },
      allowed_headers: { type: 'list', doc: 'Headers besides the usual ones.' },
    },
    on: { read: readCors, update: writeCors, delete: (call) => putCors(call, off) },
  },
];

function readCors(call: Call): Reply {
  const { enabled, allowedOrigins, allowedHeaders } = corsOf(call.turn);
  const more = enabled ? { allowed_origins: allowedOrigins, allowed_headers: allowedHeaders } : {};
  return { data: { enabled, ...more }, flat: true };
}

function writeCors(call: Call): Reply {
  const allowedOrigins = call.fields.list('allowed_origins');
  if (allowedOrigins.length === 0) throw badRequest('at least one origin or the wildcard must be provided');
  if (allowedOrigins.includes('*') && allowedOrigins.length > 1) {
    throw badRequest('to allow all origins the wildcard must be the only value in the allowed origins');
  }
  const wrong = allowedOrigins.find((origin) => origin !== '*' && !isOrigin(origin));
  if (wrong !== undefined) {
    throw badRequest(
      `expected an origin such as "https://ui.example.org", got ${JSON.stringify(wrong.slice(0, 80))}`,
    );
  }
  const allowedHeaders = [...new Set([...standardHeaders, ...call.fields.list('allowed_headers')])];
  return putCors(call, { enabled: true, allowedOrigins, allowedHeaders });
}

function putCors(call: Call, cors: Cors): Reply {
  call.turn.space('system').write(recordPath, codec, cors);
  return {};
}

function isOrigin(text: string): boolean {
  return URL.parse(text)?.origin === text;
}
