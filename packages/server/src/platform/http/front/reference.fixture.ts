import type { Seen } from './raw.fixture.ts';

/**
 * Reads a whole stream of HTTP/1.1 requests by RFC 9112, written for the tests and sharing nothing with the front or with
 * Node. Takes any token for a method, so LIST and SCAN need no special case. Ends at the first thing it does not
 * understand.
 */
export function readRequests(stream: string): Seen[] {
  const found: Seen[] = [];
  let at = 0;
  for (;;) {
    while (stream.startsWith('\r\n', at)) at += 2;
    const end = stream.indexOf('\r\n\r\n', at);
    if (end < 0) return found;
    const [line = '', ...fields] = stream.slice(at, end).split('\r\n');
    const request = /^([A-Z]+) (\/[^ ]*) HTTP\/1\.1$/.exec(line);
    if (request === null) return found;
    const headers = new Map<string, string>();
    for (const field of fields) {
      const parts = /^([A-Za-z0-9-]+):[ \t]*(.*?)[ \t]*$/.exec(field);
      if (parts === null || headers.has(String(parts[1]).toLowerCase())) return found;
      headers.set(String(parts[1]).toLowerCase(), String(parts[2]));
    }
    const body = readBody(stream, end + 4, headers);
    if (body === undefined) return found;
    found.push({ method: String(request[1]), path: String(request[2]), body: body.text });
    at = body.end;
  }
}

function readBody(
  stream: string,
  start: number,
  headers: ReadonlyMap<string, string>,
): { text: string; end: number } | undefined {
  const length = headers.get('content-length');
  const coding = headers.get('transfer-encoding');
  if (coding === undefined) {
    const size = Number(length ?? '0');
    const end = start + size;
    if (!/^[0-9]+$/.test(length ?? '0') || end > stream.length) return undefined;
    return { text: stream.slice(start, end), end };
  }
  if (coding !== 'chunked' || length !== undefined) return undefined;
  let text = '';
  let at = start;
  for (;;) {
    const head = /^([0-9a-fA-F]+)(;[^\r\n]*)?\r\n/.exec(stream.slice(at, at + 100));
    if (head === null) return undefined;
    const size = Number.parseInt(String(head[1]), 16);
    at += head[0].length;
    if (size === 0) break;
    text += stream.slice(at, at + size);
    if (stream.slice(at + size, at + size + 2) !== '\r\n') return undefined;
    at += size + 2;
  }
  // Trailers, then an empty line.
  for (;;) {
    const end = stream.indexOf('\r\n', at);
    if (end < 0) return undefined;
    if (end === at) return { text, end: end + 2 };
    at = end + 2;
  }
}
