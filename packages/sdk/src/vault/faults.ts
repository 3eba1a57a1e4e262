import { Fault, type FaultKind } from '@sallyport/formats';
import { placesOf } from './json-bytes.ts';

const maxProblemBytes = 64 * 1024;

/** The Fault behind a refusal of Vault's API: `{"errors": […]}`, or whatever a proxy put in its place. */
export function faultOfAnswer(status: number, body: Uint8Array, path: string): Fault {
  const errors = errorsOf(body);
  const text = errors.join('; ').slice(0, 4000);
  const [kind, code] = kindOf(status, text);
  const message =
    text === '' ? (silent[kind] ?? `expected a success of ${path}, got status ${status}`) : text;
  const hint = hintOf(code);
  const details = { status, path };
  return new Fault(kind, code, kind === 'not_found' && text === '' ? `${message} ${path}` : message, {
    details,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Statuses as Vault's clients know them (api/system/health for those of `sys/health`). */
function kindOf(status: number, text: string): readonly [FaultKind, string] {
  if (status === 400 && text.includes('check-and-set')) return ['conflict', 'vault.cas_mismatch'];
  if (status === 400) return ['invalid', 'vault.refused'];
  if (status === 401) return ['unauthenticated', 'vault.unauthenticated'];
  if (status === 403) return ['denied', 'vault.denied'];
  if (status === 404) return ['not_found', 'vault.not_found'];
  if (status === 405) return ['invalid', 'vault.unsupported_operation'];
  if (status === 412) return ['precondition', 'vault.precondition'];
  if (status === 413) return ['exhausted', 'vault.too_large'];
  if (status === 429) return ['exhausted', 'vault.too_many_requests'];
  if (status === 503 && /sealed/i.test(text)) return ['unavailable', 'vault.sealed'];
  if (status === 408 || status === 502 || status === 503 || status === 504) {
    return ['unavailable', 'vault.unavailable'];
  }
  return status < 500 ? ['invalid', 'vault.refused'] : ['internal', 'vault.failed'];
}

const silent: Partial<Record<FaultKind, string>> = {
  not_found: 'nothing is at',
  denied: 'permission denied',
};

function hintOf(code: string): string | undefined {
  if (code === 'vault.sealed') return 'sally vault operator unseal opens it';
  if (code === 'vault.denied') return 'the token may have ended, or its policies do not name this path';
  return undefined;
}

function errorsOf(body: Uint8Array): readonly string[] {
  if (body.length === 0 || body.length > maxProblemBytes) return [];
  try {
    placesOf(body);
    const parsed: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null) return [];
    // `errors` of Vault; `data.error` of the old legacy paths that answer both.
    const errors = 'errors' in parsed ? parsed.errors : [];
    return Array.isArray(errors) ? errors.filter((each): each is string => typeof each === 'string') : [];
  } catch {
    return [];
  }
}
