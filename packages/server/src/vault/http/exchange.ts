import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Answer } from '../request/render.ts';

/**
 * A request on its way in with the place its answer goes to, the same for requests that Node's parser read and for those
 * that the listener read itself.
 */
export interface Exchange {
  /** As the client sent it; may be `LIST`, which Node's parser does not have. */
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket;
  /** Once: the whole body, to be wiped by the caller. A promise only where it has to be waited for. */
  body(): Buffer | Promise<Buffer>;
  /** The first answer counts; its body is wiped when the socket has taken it, or has no use for it. */
  send(answer: Answer): void;
}
