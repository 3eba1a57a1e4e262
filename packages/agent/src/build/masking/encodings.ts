/**
 * The forms in which a secret shows up in a log although nobody meant it to: printed as it is, base64 of a header it
 * is part of, a URL, a JSON document, a hex dump, one line of a key file. A step that *wants* to disguise its secret
 * can (it may add one to every byte); masking is for accidents, the grant is what bounds malice.
 */

/** Below this, an encoding or a single line would blot out ordinary text; the value itself is always masked. */
const shortestDerived = 4;
/** Rare encodings of very long values are left out, so that a 64 KiB key store still fits the matcher. */
const longestForRareForms = 8192;

export interface SecretForms {
  /** Looked for in the bytes as they come. */
  readonly exact: readonly Uint8Array[];
  /** Looked for with line breaks left out: `base64` and `openssl` wrap their output. */
  readonly wrapped: readonly Uint8Array[];
}

export function formsOf(secrets: readonly Uint8Array[]): SecretForms {
  const exact = new Map<string, Uint8Array>();
  const wrapped = new Map<string, Uint8Array>();
  const add = (to: Map<string, Uint8Array>, form: Uint8Array, shortest: number) => {
    if (form.length >= shortest) to.set(Buffer.from(form).toString('latin1'), form);
  };
  for (const secret of secrets) {
    add(exact, secret, 1);
    for (const part of partsOf(secret)) {
      add(exact, part, shortestDerived);
      for (const form of binaryForms(part)) {
        add(exact, form, shortestDerived);
        add(wrapped, form, 8);
      }
      if (part.length <= longestForRareForms) {
        for (const form of textForms(part)) add(exact, form, shortestDerived);
      }
    }
  }
  return { exact: [...exact.values()], wrapped: [...wrapped.values()] };
}

/** The value, the value without surrounding white space, its lines, and the signature of a JWT (without it the rest is worth nothing). */
function partsOf(secret: Uint8Array): Uint8Array[] {
  const text = Buffer.from(secret).toString('latin1');
  const parts = [text.trim()];
  const lines = text.split(/[\r\n]+/);
  if (lines.length > 1) parts.push(...lines, ...lines.map((line) => line.trim()));
  const jwt = /^[\w-]+\.[\w-]+\.([\w-]{16,})$/.exec(text.trim());
  if (jwt?.[1] !== undefined) parts.push(jwt[1]);
  const readable = parts.filter((part) => part.trim().length >= shortestDerived);
  return [...new Set([text, ...readable])]
    .filter((part) => part.length >= shortestDerived)
    .map((part) => Uint8Array.from(Buffer.from(part, 'latin1')));
}

function* binaryForms(value: Uint8Array): Generator<Uint8Array> {
  const hex = Buffer.from(value).toString('hex');
  yield ascii(hex);
  yield ascii(hex.toUpperCase());
  for (const alphabet of ['base64', 'base64url'] as const) {
    const whole = Buffer.from(value).toString(alphabet);
    yield ascii(whole);
    yield ascii(whole.replace(/=+$/, ''));
    for (const offset of [0, 1, 2]) yield ascii(base64Core(value, offset, alphabet));
  }
}

/** The characters that stand for `value` and nothing else when it begins `offset` bytes into a base64 group of three. */
function base64Core(value: Uint8Array, offset: number, alphabet: 'base64' | 'base64url'): string {
  const text = Buffer.concat([Buffer.alloc(offset), value])
    .toString(alphabet)
    .replace(/=+$/, '');
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + value.length) * 8) / 6));
}

function* textForms(value: Uint8Array): Generator<Uint8Array> {
  const percent = Array.from(value, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  yield ascii(percent);
  yield ascii(percent.toUpperCase());
  const text = decode(value);
  if (text === undefined) return;
  for (const url of urlForms(text)) {
    yield ascii(url);
    yield ascii(url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
  }
  for (const json of jsonForms(text)) {
    yield utf8(json);
    yield utf8(json.replaceAll('/', '\\/'));
    yield utf8(JSON.stringify(json).slice(1, -1));
  }
  yield utf8(text.replaceAll("'", "'\\''"));
  yield utf8(text.replace(/["$`\\]/g, '\\$&'));
  yield utf8(htmlEscape(text));
}

function* urlForms(text: string): Generator<string> {
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  yield component;
  yield strict;
  yield encodeURI(text);
  yield component.replaceAll('%20', '+');
  yield strict.replaceAll('%20', '+');
  yield new URLSearchParams({ v: text }).toString().slice(2);
}

function* jsonForms(text: string): Generator<string> {
  const plain = JSON.stringify(text).slice(1, -1);
  yield plain;
  const codes = (upper: boolean) =>
    plain.replace(/[^ -~]|[<>&']/g, (c) => {
      const hex = c.charCodeAt(0).toString(16).padStart(4, '0');
      return `\\u${upper ? hex.toUpperCase() : hex}`;
    });
  yield codes(false);
  yield codes(true);
  yield plain.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function htmlEscape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function decode(value: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return undefined; // binary: it has no URL, JSON or HTML form
  }
}

const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'utf8'));
