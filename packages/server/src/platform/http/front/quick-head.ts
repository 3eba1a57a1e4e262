/** The head of a request that a packet holds from its first to its last byte. */
export interface QuickHead {
  readonly method: string;
  /** As sent: a path with `/` at its beginning, and perhaps a query. */
  readonly url: string;
  /** Without a prototype, names in lower case, each of them sent once. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the body begins; it ends with the packet. */
  readonly bodyStart: number;
}

const methods = ['GET', 'LIST', 'POST', 'PUT', 'DELETE', 'PATCH', 'SCAN'] as const;
const version = ' HTTP/1.1';
const emptyLine = Buffer.from('\r\n\r\n');
/** Half of what Node's parser takes: what is near a limit is left to it. */
const maxHeadBytes = 8192;
const maxFields = 32;

const [space, colon, cr, lf] = [0x20, 0x3a, 0x0d, 0x0a];
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const inTarget = tableOf(`${letters}-._~/?=&%+:@!$'()*,;`);
const inName = tableOf(`${letters}-_`);

/**
 * Reads one whole request that fills `bytes` exactly; undefined for everything else, also for much that is valid. Each
 * rule is narrower than RFC 9112 and than Node's parser, so what is read here has the same one meaning there, and who
 * gets undefined gives the same bytes to Node.
 *
 * It does not say where in a stream a message ends: the packet does, and a length that disagrees with it is no request.
 */
export function readQuickHead(bytes: Buffer): QuickHead | undefined {
  const method = methodOf(bytes);
  if (method === undefined) return undefined;
  const end = bytes.indexOf(emptyLine);
  if (end < 0 || end > maxHeadBytes) return undefined;
  const bodyStart = end + emptyLine.length;
  // With the end of its last line, so that all lines end alike.
  const head = bytes.toString('latin1', 0, end + 2);
  const targetStart = method.length + 1;
  let at = targetStart;
  while (inTarget[head.charCodeAt(at)] === 1) at += 1;
  const url = head.slice(targetStart, at);
  if (!url.startsWith('/') || !head.startsWith(version, at)) return undefined;
  const headers = readFields(head, at + version.length);
  if (headers?.['host'] === undefined) return undefined;
  if (!isLength(headers['content-length'], bytes.length - bodyStart)) return undefined;
  return { method, url, headers, bodyStart };
}

function methodOf(bytes: Buffer): string | undefined {
  const first = bytes[0];
  for (const method of methods) {
    if (method.charCodeAt(0) !== first || bytes[method.length] !== space) continue;
    if (bytes.toString('latin1', 0, method.length) === method) return method;
  }
  return undefined;
}

/** The fields from the end of the request line on. */
function readFields(head: string, start: number): Record<string, string> | undefined {
  const headers: Record<string, string> = Object.create(null);
  let at = start;
  for (let count = 0; ; count += 1) {
    if (head.charCodeAt(at) !== cr || head.charCodeAt(at + 1) !== lf) return undefined;
    at += 2;
    if (at === head.length) return headers;
    if (count === maxFields) return undefined;
    const nameStart = at;
    while (inName[head.charCodeAt(at)] === 1) at += 1;
    if (at === nameStart || head.charCodeAt(at) !== colon) return undefined;
    const name = head.slice(nameStart, at).toLowerCase();
    at += 1;
    while (head.charCodeAt(at) === space) at += 1;
    const valueStart = at;
    while (isPlain(head.charCodeAt(at))) at += 1;
    // A space before the end of the line is no part of the value; who sends one is read by Node.
    if (head.charCodeAt(at - 1) === space && at > valueStart) return undefined;
    const value = head.slice(valueStart, at);
    if (headers[name] !== undefined || !isOrdinary(name, value)) return undefined;
    headers[name] = value;
  }
}

/** Fields that change what a message is, or that Node does not give as one text below their name. */
const leftToNode: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'set-cookie',
  '__proto__',
]);

function isOrdinary(name: string, value: string): boolean {
  if (name === 'connection') return value.toLowerCase() === 'keep-alive';
  return !leftToNode.has(name);
}

/** Whether a field says that the body has this size, in the only way to write it. */
function isLength(field: string | undefined, size: number): boolean {
  return field === undefined ? size === 0 : field === String(size);
}

/** A visible character of ASCII, or a space. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code <= 0x7e;
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const one of characters) table[one.charCodeAt(0)] = 1;
  return table;
}
