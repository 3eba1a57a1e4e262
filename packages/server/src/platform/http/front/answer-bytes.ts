import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';

/** Fields of an answer as they are written, checked once. */
export type HeaderFields = string & { readonly checked: unique symbol };

/** Decided where the answer is written: a second opinion on them would be a second answer in the first. */
const framing: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', 'date']);

/** Throws where a name or a value would end its line, as Node does, and for what says how long the answer is. */
export function headerFields(fields: Readonly<Record<string, string>>): HeaderFields {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    validateHeaderName(name);
    if (framing.has(name.toLowerCase())) throw new Error(`expected no field '${name}': it is written here`);
    validateHeaderValue(name, value);
    text += `${name}: ${value}\r\n`;
  }
  // The checks above are what the type says.
  return text as HeaderFields;
}

/**
 * A whole answer in one memory, as Node would write it; `body` is wiped. 204 and 304 have neither a body nor a length
 * (RFC 9110 sections 6.4.1 and 8.6): what followed their head would be read as the next answer.
 */
export function answerBytes(
  status: number,
  fields: HeaderFields,
  body: Buffer | undefined,
  keepAlive: boolean,
): Buffer {
  const hasBody = status !== 204 && status !== 304;
  const size = hasBody && body !== undefined ? body.length : 0;
  const length = hasBody ? `content-length: ${size}\r\n` : '';
  const connection = keepAlive ? 'keep-alive' : 'close';
  const head = `${lineOf(status)}${fields}${length}Date: ${dateOf(Date.now())}\r\nConnection: ${connection}\r\n\r\n`;
  const bytes = Buffer.allocUnsafe(head.length + size);
  bytes.write(head, 'latin1');
  if (body !== undefined) {
    if (hasBody) bytes.set(body, head.length);
    body.fill(0);
  }
  return bytes;
}

const lines = new Map<number, string>();

function lineOf(status: number): string {
  let line = lines.get(status);
  if (line === undefined) {
    if (!Number.isInteger(status) || status < 200 || status > 599)
      throw new Error(`expected a status from 200 to 599, got ${status}`);
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    lines.set(status, line);
  }
  return line;
}

let dateSecond = 0;
let dateText = '';

/** RFC 9110 section 6.6.1; made once a second. */
function dateOf(now: number): string {
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateText = new Date(now).toUTCString();
    dateSecond = second;
  }
  return dateText;
}
