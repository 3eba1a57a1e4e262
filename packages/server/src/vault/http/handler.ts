import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault, isFault } from '@sallyport/formats';
import type { Log } from '#platform';
import type { Pipeline } from '../request/pipeline.ts';
import { type Answer, renderFault } from '../request/render.ts';
import { answerSealed, type SealAnswer, type SealControl } from '../sys/sealed.ts';
import { readRequest } from './read-request.ts';

export interface HandlerDeps {
  /** Answers what is answered in every state, sealed or not. */
  readonly control: SealControl;
  readonly pipeline: Pipeline;
  readonly log: Log;
  readonly requestId: () => string;
  readonly verbOf: (message: IncomingMessage) => string;
  readonly certificateOf: (message: IncomingMessage) => X509Certificate | undefined;
}

const answerSeconds = 60;

/**
 * Answers one request to `/v1/…`. Never throws: what goes wrong is an answer, or a cut connection.
 *
 * KNOWN LIMIT: what `readRequest` refuses (a path, query, body or namespace that is not one) had no meaning and touched
 * nothing; it is in no audit. Nor are the five paths that answer while the server is sealed.
 */
export function createHandler(deps: HandlerDeps) {
  const { pipeline, log } = deps;

  return async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const deadline = createDeadline();
    let body: Buffer | undefined;
    const id = deps.requestId();
    try {
      const request = await readRequest(message, {
        id,
        verb: deps.verbOf(message),
        certificate: deps.certificateOf(message),
      });
      body = request.bodyBytes;
      const always = answerSealed(deps.control, request);
      send(
        response,
        always === undefined ? await pipeline.answer(request, deadline.signal) : plain(await always),
        message,
      );
    } catch (error) {
      const fault = isFault(error) ? error : unexpected(error, id, log);
      send(response, renderFault(fault), message);
    } finally {
      deadline.over();
      body?.fill(0);
    }
  };
}

/** Made when somebody asks: a controller and a timer for each request would cost as much as its routing. */
function createDeadline() {
  let timer: NodeJS.Timeout | undefined;
  let abort: AbortController | undefined;
  return {
    signal(): AbortSignal {
      if (abort === undefined) {
        const made = new AbortController();
        timer = setTimeout(() => made.abort(slow()), answerSeconds * 1000);
        abort = made;
      }
      return abort.signal;
    },
    over: () => clearTimeout(timer),
  };
}

function plain({ status, body }: SealAnswer): Answer {
  const bytes = body === undefined ? undefined : Buffer.from(`${JSON.stringify(body)}\n`);
  return { status, contentType: 'application/json', body: bytes, headers: {} };
}

function send(response: ServerResponse, answer: Answer, message: IncomingMessage): void {
  if (response.destroyed || response.headersSent) return;
  const { body } = answer;
  const headers: Record<string, string | number> = {
    'content-type': answer.contentType,
    'cache-control': 'no-store',
    ...answer.headers,
  };
  if (body !== undefined) headers['content-length'] = body.length;
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

function slow(): Fault {
  return new Fault('unavailable', 'vault.slow', `no answer after ${answerSeconds} seconds`, {
    hint: 'try again later',
  });
}

function unexpected(error: unknown, requestId: string, log: Log): Fault {
  log.error({ requestId, err: error }, 'a request could not be answered');
  return new Fault('internal', 'vault.internal', 'internal error', {
    hint: `the server's log tells more under request ${requestId}`,
  });
}
