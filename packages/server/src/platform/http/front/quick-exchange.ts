import type { Socket } from 'node:net';
import { answerBytes, type HeaderFields, headerFields } from './answer-bytes.ts';
import type { QuickHead } from './quick-head.ts';

const noFields = headerFields({});

/** A request that the gate read itself, and the place its answer goes to. */
export class QuickExchange {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Memory of this request alone: to be wiped by whoever answers. */
  readonly body: Buffer;
  readonly socket: Socket;
  /** False: the answer ends the connection, and says so. */
  shouldKeepAlive = true;
  headersSent = false;
  readonly #out: () => void;

  /** `out` is called when the socket has taken the answer; never when the connection is gone before. */
  constructor(socket: Socket, head: QuickHead, bytes: Buffer, out: () => void) {
    this.socket = socket;
    this.method = head.method;
    this.url = head.url;
    this.headers = head.headers;
    this.body = bytes.subarray(head.bodyStart);
    this.#out = out;
  }

  /** Once; `body` is wiped. Where nobody reads any more nothing is written. */
  answer(status: number, fields: HeaderFields, body: Buffer | undefined): void {
    const { socket, shouldKeepAlive } = this;
    if (this.headersSent) throw new Error('expected one answer to a request, got a second one');
    const bytes = answerBytes(status, fields, body, shouldKeepAlive);
    this.headersSent = true;
    if (!socket.writable) {
      bytes.fill(0);
      return;
    }
    socket.write(bytes, () => {
      bytes.fill(0);
      this.#out();
    });
  }

  /** Cuts the connection. */
  destroy(): void {
    this.socket.destroy();
  }

  /** For who took the request and broke: only cutting the connection tells that half an answer is not whole. */
  fail(): void {
    this.shouldKeepAlive = false;
    if (this.headersSent) this.destroy();
    else this.answer(500, noFields, undefined);
  }
}
