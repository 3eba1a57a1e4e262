import { SecretBytes } from '@sallyport/formats';

/**
 * The last net under a mistake: secrets are kept in types that print as `[secret]`, and what slips into a log as a
 * plain text is masked here by the name of its field or by its form.
 */

const secretName =
  /(authorization|token|password|passphrase|secret|cookie|api_?key|private_?key|credential)s?$/i;

const secretForms: ReadonlyArray<readonly [form: RegExp, mask: string]> = [
  // Our own opaque tokens, JWTs (RFC 7519), PEM private keys, passwords in URLs and authorization headers.
  [/\bsp_[A-Za-z0-9_-]{16,}/g, 'sp_[secret]'],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, '[secret]'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(-----END [A-Z ]*PRIVATE KEY-----)?/g, '[secret]'],
  [/(:\/\/[^\s:/@]{0,200}):[^\s/@]{1,500}@/g, '$1:[secret]@'],
  [/\b(Bearer|Basic) +[A-Za-z0-9._~+/=-]{8,}/gi, '$1 [secret]'],
];

const maxDepth = 6;
const maxText = 4000;
const maxItems = 100;

export function redactText(text: string): string {
  let clean = text.length > maxText ? `${text.slice(0, maxText)}… (${text.length} characters)` : text;
  for (const [form, mask] of secretForms) clean = clean.replace(form, mask);
  return clean;
}

/** A copy of `value` that is safe to write: bounded in depth, length and count, with secrets masked. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return value.toString();
  if (typeof value === 'function') return '[function]';
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof SecretBytes) return '[secret]';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= maxDepth) return '[deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item) => redact(item, depth + 1));
  const clean: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value).slice(0, maxItems)) {
    clean[name] = isSecret(name, item) ? '[secret]' : redact(item, depth + 1);
  }
  return clean;
}

function isSecret(name: string, item: unknown): boolean {
  // A count of tokens or whether there is a password tells nothing.
  return secretName.test(name) && typeof item !== 'number' && typeof item !== 'boolean' && item !== null;
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  // Properties of errors are chosen, not copied: a database error repeats row values in `detail` and `where`.
  const known = error as Error & { code?: unknown; kind?: unknown; details?: unknown };
  return {
    type: error.name,
    message: redactText(error.message),
    ...(known.code === undefined ? {} : { code: redact(known.code, depth + 1) }),
    ...(known.kind === undefined ? {} : { kind: redact(known.kind, depth + 1) }),
    ...(known.details === undefined ? {} : { details: redact(known.details, depth + 1) }),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }),
  };
}
