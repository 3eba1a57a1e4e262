import { Fault } from '@sallyport/formats';
import type { Exchange } from './exchange.ts';
import { createDataHasher } from './hashed-json.ts';
import { createParts, type DataPart } from './parts.ts';
import type { AuditSalt } from './salt.ts';

export interface EntryOptions {
  readonly salt: AuditSalt;
  /** Vault's `hmac_accessor`: whether accessors of tokens are hashed. */
  readonly hmacAccessor: boolean;
  /** `elide_list_responses`: show how many names a list answered, in place of the hash of each. */
  readonly elideListResponses: boolean;
  /** The allowlist of `sys/config/auditing/request-headers`, names in lower case. */
  readonly headers: () => ReadonlyMap<string, { readonly hmac: boolean }>;
}

export interface EntryFormat {
  lines(exchange: Exchange): EntryLines;
}

/** A line in three pieces, ASCII; the line of an answer repeats what the line of its request says. */
interface Line {
  readonly start: string;
  readonly end: string;
}

/** The line of the request, and the line of its answer; each ASCII, with a newline at its end. */
export class EntryLines {
  readonly both: Buffer;
  readonly #requestSize: number;

  /** `shared` stands between start and end of both. */
  constructor(request: Line, response: Line, shared: string) {
    this.#requestSize = sizeOf(request, shared);
    this.both = Buffer.allocUnsafe(this.#requestSize + sizeOf(response, shared));
    let at = this.both.write(request.start + shared + request.end + response.start, 'latin1');
    // Bytes are copied in a tenth of the time in which a text, which is a tree, is walked.
    this.both.copyWithin(at, request.start.length, request.start.length + shared.length);
    at += shared.length;
    this.both.write(response.end, at, 'latin1');
  }

  get request(): Buffer {
    return this.both.subarray(0, this.#requestSize);
  }

  get response(): Buffer {
    return this.both.subarray(this.#requestSize);
  }
}

/**
 * Longer, and the data is elided; if it is too long even then, `lines` throws `vault.audit_line` and the request is
 * refused: nothing is answered that cannot be written down.
 */
export const maxLineBytes = 1024 * 1024;

/**
 * Writes audit lines in the shape of Vault's audit devices (openbao.org/docs/audit), of one device with its own salt.
 * More is hashed than there: numbers and booleans of `data`, strings that look like times, and redirects.
 */
export function createEntryFormat(options: EntryOptions): EntryFormat {
  const { salt } = options;
  const data = createDataHasher(salt);
  const parts = createParts(options);
  // One each: all requests of a batch have one time, and their answers a later one.
  const requestTime = timeTexts();
  const responseTime = timeTexts();

  function dataOf(value: unknown, clearKeys: ReadonlySet<string> | undefined, elide: boolean): DataPart {
    if (value === undefined || value === null) return '';
    const hashed = elide ? data.elide(value) : data.hash(value, clearKeys ?? nothing);
    return hashed.elided ? `"data":${hashed.json},"data_elided":true` : `"data":${hashed.json}`;
  }

  function write(exchange: Exchange, elide: boolean): [request: Line, response: Line, shared: string] {
    const { request, response } = exchange;
    const token = parts.token(exchange);
    const requestData = dataOf(request.data, request.mount?.clearRequestKeys, elide);
    const head = `"auth":${parts.auth(exchange, token)},"request":${parts.request(exchange, token, requestData)}`;
    const error = parts.error(exchange.error);
    const counted = options.elideListResponses && request.operation === 'list' && !elide;
    const responseData = counted
      ? countedList(response?.data, (rest) => dataOf(rest, request.mount?.clearResponseKeys, false))
      : dataOf(response?.data, request.mount?.clearResponseKeys, elide);
    return [
      { start: `{"time":"${requestTime(exchange.requestTime)}","type":"request",`, end: `${error}}\n` },
      {
        start: `{"time":"${responseTime(exchange.responseTime)}","type":"response",`,
        end: `,"response":${parts.response(exchange, responseData)}${error}}\n`,
      },
      head,
    ];
  }

  return {
    lines(exchange) {
      let [request, response, shared] = write(exchange, false);
      let longest = Math.max(sizeOf(request, shared), sizeOf(response, shared));
      if (longest > maxLineBytes) {
        [request, response, shared] = write(exchange, true);
        longest = Math.max(sizeOf(request, shared), sizeOf(response, shared));
      }
      if (longest > maxLineBytes) {
        throw new Fault(
          'exhausted',
          'vault.audit_line',
          `expected an audit line of at most ${maxLineBytes} bytes, got ${longest}`,
        );
      }
      return new EntryLines(request, response, shared);
    },
  };
}

function sizeOf({ start, end }: Line, shared: string): number {
  return start.length + shared.length + end.length;
}

/** RFC 3339. Lines come in crowds: the text of a millisecond is made once. */
function timeTexts(): (milliseconds: number) => string {
  let last = Number.NaN;
  let text = '';
  return (milliseconds) => {
    if (milliseconds !== last) {
      text = new Date(milliseconds).toISOString();
      last = milliseconds;
    }
    return text;
  };
}

const nothing: ReadonlySet<string> = new Set();

/** The data of a list with `keys` and `key_info` counted; anything of another shape is hashed as it is. */
function countedList(value: unknown, rest: (value: unknown) => DataPart): DataPart {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return rest(value);
  }
  const counts: string[] = [];
  const others: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    const count = name === 'keys' || name === 'key_info' ? countOf(name, member) : undefined;
    if (count === undefined) others[name] = member;
    else counts.push(`"${name}":${count}`);
  }
  if (counts.length === 0) return rest(value);
  if (Object.keys(others).length === 0) return `"data":{${counts.join(',')}}`;
  const hashed = rest(others);
  return `"data":{${counts.join(',')},${hashed.slice('"data":{'.length)}`;
}

function countOf(name: 'keys' | 'key_info', member: unknown): number | undefined {
  if (name === 'keys') return Array.isArray(member) ? member.length : undefined;
  if (typeof member !== 'object' || member === null || Array.isArray(member)) return undefined;
  return Object.keys(member).length;
}
