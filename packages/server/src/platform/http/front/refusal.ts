import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { Fault } from '@sallyport/formats';
import { renderProblem, statusOf } from '../problem.ts';

/** What the listener itself says, in place of an application: always a problem, always the end of the connection. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
  requestId: string,
): void {
  const status = statusOf(fault);
  const { contentType, body } = renderProblem(fault, status, requestId);
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-request-id': requestId,
    ...(status === 503 ? { 'retry-after': '1' } : {}),
    connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** The same as bytes, for a connection on which no request came about. */
export function refusalBytes(fault: Fault, requestId: string): string {
  const status = statusOf(fault);
  const { contentType, body } = renderProblem(fault, status, requestId);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-type: ${contentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

/**
 * What Node's parser refused, as a Fault; undefined for what nobody can be told: a connection that broke, a handshake
 * that failed.
 */
export function faultOfParser(error: Error): Fault | undefined {
  const code = codeOf(error);
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Fault('invalid', 'http.headers_too_large', 'the headers are larger than 16384 bytes');
  if (isTimeout(error))
    return new Fault('invalid', 'http.timeout', 'the head of the request was not complete in time');
  if (code.startsWith('HPE_')) return new Fault('invalid', 'http.malformed', 'expected an HTTP/1.1 request');
  return undefined;
}

/** Whether Node complains that a head is late. */
export function isTimeout(error: Error): boolean {
  return codeOf(error) === 'ERR_HTTP_REQUEST_TIMEOUT';
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : '';
}
