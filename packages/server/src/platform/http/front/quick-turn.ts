import type { Socket } from 'node:net';
import { QuickExchange } from './quick-exchange.ts';
import { readQuickHead } from './quick-head.ts';

/**
 * Who may take a request before Node sees it. Undefined: nobody, and nothing was touched. Else it will be answered, and
 * what is given is called once, when its answer is out or its connection is gone.
 */
export type QuickOffer = (exchange: QuickExchange) => (() => void) | undefined;

/** The one request of a connection that is answered without Node's parser; the next begins when it is over. */
export class QuickTurn {
  readonly #socket: Socket;
  readonly #offer: QuickOffer;
  readonly #ended: (isLast: boolean) => void;
  #over: (() => void) | undefined;
  #hadOne = false;
  #isLast = false;

  /** `ended` is told whether the connection ends with that answer. */
  constructor(socket: Socket, offer: QuickOffer, ended: (isLast: boolean) => void) {
    this.#socket = socket;
    this.#offer = offer;
    this.#ended = ended;
  }

  get isOpen(): boolean {
    return this.#over !== undefined;
  }

  get hadOne(): boolean {
    return this.#hadOne;
  }

  /** Whether the bytes are one whole request, and somebody takes it; else nothing has happened. */
  takes(bytes: Buffer): boolean {
    // Where nothing can be written any more there is no quicker answer.
    const head = this.#socket.writable ? readQuickHead(bytes) : undefined;
    if (head === undefined) return false;
    const exchange = new QuickExchange(this.#socket, head, bytes, () => {
      this.#isLast = !exchange.shouldKeepAlive;
      this.end();
    });
    this.#over = this.#offer(exchange);
    if (this.#over === undefined) return false;
    this.#hadOne = true;
    return true;
  }

  /** The answer is out, or its connection gone. */
  end(): void {
    const over = this.#over;
    if (over === undefined) return;
    this.#over = undefined;
    this.#ended(this.#isLast);
    over();
    if (this.#isLast) this.#socket.destroySoon();
  }
}
