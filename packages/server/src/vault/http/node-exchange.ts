import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '@sallyport/formats';
import type { Answer } from '../request/render.ts';
import type { Exchange } from './exchange.ts';
import { fieldsOf } from './header-fields.ts';
import { maxBodyBytes } from './read-request.ts';

/** A request that Node's parser read, as an exchange. */
export function overNode(message: IncomingMessage, response: ServerResponse): Exchange {
  const { headers, socket } = message;
  return {
    method: message.method ?? 'GET',
    url: message.url ?? '',
    headers,
    socket,
    body: () => readBody(message),
    send: (answer) => send(response, answer, message),
  };
}

const noBytes = Buffer.alloc(0);

/** The whole body, or a refusal as soon as it is too long. */
function readBody(message: IncomingMessage): Buffer | Promise<Buffer> {
  const { headers } = message;
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
    message.resume();
    return noBytes;
  }
  if (Number(headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    message.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) {
        chunks.length = 0;
        message.removeAllListeners('data');
        reject(tooLarge());
        return;
      }
      chunks.push(chunk);
    });
    message.once('end', () => {
      // A copy of its own: the chunks are slices of the socket's memory, which cannot be wiped later.
      const body = Buffer.concat(chunks);
      for (const chunk of chunks) chunk.fill(0);
      resolve(body);
    });
    message.once('error', reject);
    message.once('close', () => reject(new Fault('invalid', 'vault.body_aborted', 'the body broke off')));
  });
}

function send(response: ServerResponse, answer: Answer, message: IncomingMessage): void {
  const { body } = answer;
  if (response.destroyed || response.headersSent) {
    body?.fill(0);
    return;
  }
  const headers: Record<string, string | number> = fieldsOf(answer);
  // RFC 9110 section 8.6; Node leaves the body out.
  if (answer.status !== 204 && answer.status !== 304) headers['content-length'] = body?.length ?? 0;
  // What was not read of a body would be taken for the next request.
  if (!message.complete) headers['connection'] = 'close';
  response.writeHead(answer.status, headers);
  if (body === undefined) {
    response.end();
    return;
  }
  // Wiped when the socket has taken it: the next request finds nothing in this memory.
  response.end(body, () => body.fill(0));
}

function tooLarge(): Fault {
  return new Fault('invalid', 'vault.too_large', `expected a body of at most ${maxBodyBytes} bytes`);
}
