import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Fault, isFault } from '@sallyport/formats';
import type { Log, QuickExchange } from '#platform';
import type { Pipeline } from '../request/pipeline.ts';
import { type Answer, renderFault } from '../request/render.ts';
import { answerSealed, type SealAnswer, type SealControl } from '../sys/sealed.ts';
import type { Exchange } from './exchange.ts';
import { overNode } from './node-exchange.ts';
import { overQuick } from './quick-exchange.ts';
import { readRequest } from './read-request.ts';

export interface HandlerDeps {
  /** Answers what is answered in every state, sealed or not. */
  readonly control: SealControl;
  readonly pipeline: Pipeline;
  readonly log: Log;
  readonly requestId: () => string;
  readonly certificateOf: (request: { readonly socket: Socket }) => X509Certificate | undefined;
}

/** Takes every request below `/v1/`, from either door of a listener. */
export interface Handler {
  handle(message: IncomingMessage, response: ServerResponse): true;
  quick(request: QuickExchange): true;
}

const answerSeconds = 60;

/**
 * Answers one request to `/v1/…`. Never throws: what goes wrong is an answer, or a cut connection.
 *
 * KNOWN LIMIT: what `readRequest` refuses (a path, query, body or namespace that is not one) had no meaning and touched
 * nothing; it is in no audit. Nor are the five paths that answer while the server is sealed.
 */
export function createHandler(deps: HandlerDeps): Handler {
  const { pipeline, log } = deps;

  const answer = async (exchange: Exchange): Promise<void> => {
    const deadline = createDeadline();
    let body: Buffer | undefined;
    const id = deps.requestId();
    try {
      const read = readRequest(exchange, { id, certificate: deps.certificateOf(exchange) });
      const request = read instanceof Promise ? await read : read;
      body = request.bodyBytes;
      const always = answerSealed(deps.control, request);
      exchange.send(
        always === undefined ? await pipeline.answer(request, deadline.signal) : plain(await always),
      );
    } catch (error) {
      const fault = isFault(error) ? error : unexpected(error, id, log);
      exchange.send(renderFault(fault));
    } finally {
      deadline.over();
      body?.fill(0);
    }
  };
  return {
    handle: (message, response) => {
      void answer(overNode(message, response));
      return true;
    },
    quick: (request) => {
      void answer(overQuick(request));
      return true;
    },
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
