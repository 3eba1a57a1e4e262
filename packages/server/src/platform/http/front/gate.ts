import type { NonSharedBuffer } from 'node:buffer';
import { IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type QuickOffer, QuickTurn } from './quick-turn.ts';
import { type ListVerb, leadingVerb, verbSizeBytes } from './verb.ts';

/** A request whose head Node has parsed, with the verb its line had before the gate rewrote it. */
export class FrontRequest extends IncomingMessage {
  readonly verb: ListVerb | undefined;

  // Node makes one of these per head, in the order of the bytes, also for heads that it answers itself (417, no host);
  // with a listener on 'request' such a head would leave its verb to the next one.
  constructor(socket: Socket) {
    super(socket);
    this.verb = gates.get(socket)?.head(this);
  }
}

const gates = new WeakMap<Socket, Gate>();

export interface GateLimits {
  /** Most bytes that wait behind an unanswered request; more ends the connection. */
  readonly heldBytes: number;
  /** How long the first letters of a verb wait for the rest, as long as for a head. */
  readonly headSeconds: number;
}

/**
 * Where Node's parser stands: `certain` and `likely` are told apart because a request may be complete with the beginning
 * of another one already behind it.
 */
type Place = 'certain boundary' | 'likely boundary' | 'inside a message';

const emptyLine = Buffer.from('\r\n\r\n');

/**
 * Stands between a connection and Node's HTTP parser, and rewrites a leading `LIST ` or `SCAN ` to `GET `, only where a
 * message begins. Where that is, Node's parser alone says; nothing here reads a length or a chunk, because two readers
 * that disagree about a boundary are request smuggling. Where it is not certain, bytes pass unchanged and Node refuses
 * the verb.
 *
 * One fact makes it certain: the newest request is complete, and the last bytes that Node got are an empty line. Had
 * another message begun behind the complete one, that line would have ended its head (then it were the newest) or been an
 * error; between messages Node skips it (RFC 9112 section 2.2). A body that ends with other bytes leaves it likely; when a
 * verb follows, an empty line is put in between, and if that ends a head, the connection ends with it.
 *
 * At a certain boundary with nothing unanswered, bytes that are one whole request are answered without Node, which does
 * not see them (`quick-head.ts`). That is no second opinion on where a message ends: it begins where Node's parser stands
 * and ends with the last byte there is, so nothing is left that two readers could divide in two ways, and Node's parser
 * stands where it stood. What comes before the answer waits here, and the connection is not read meanwhile.
 *
 * A verb behind a request without an answer waits for it when it begins a packet, else Node refuses it: cutting a packet
 * into messages is the reading that is not done here. Clients that send LIST do not pipeline.
 */
export class Gate {
  readonly socket: Socket;
  readonly #limits: GateLimits;
  readonly #quick: QuickTurn;
  readonly #toNode: (bytes: NonSharedBuffer) => void;
  #place: Place = 'certain boundary';
  /** The newest request while it is not complete; afterwards nothing here holds it in memory. */
  #request: FrontRequest | undefined;
  #verb: ListVerb | undefined;
  #held: NonSharedBuffer | undefined;
  #unfinished: NodeJS.Timeout | undefined;
  #open = 0;
  #probing = false;
  #newest: ServerResponse | undefined;
  #shut = false;
  #quiet = false;
  #nodeHasBytes = false;

  /** Called once per connection, after Node has put its own listeners on the socket and before any byte came. */
  constructor(socket: Socket, limits: GateLimits, offer: QuickOffer) {
    const [node, ...others] = socket.listeners('data');
    if (node === undefined || others.length > 0) {
      throw new Error(`expected one reader of a new connection, got ${socket.listenerCount('data')}`);
    }
    this.socket = socket;
    this.#limits = limits;
    this.#quick = new QuickTurn(socket, offer, (isLast) => this.#endQuick(isLast));
    this.#toNode = (bytes) => node.call(socket, bytes);
    socket.removeListener('data', node as (bytes: NonSharedBuffer) => void);
    // With `listener`, as `once` sets it, Node's own removeListener finds this one in the place of its own: behind
    // CONNECT it gives the parser back, and a byte that still reached it would enter another connection's request.
    const listener = { listener: node };
    socket.on(
      'data',
      Object.assign((bytes: NonSharedBuffer) => this.#receive(bytes), listener),
    );
    socket.once('close', () => {
      clearTimeout(this.#unfinished);
      this.#quick.end();
    });
    gates.set(socket, this);
  }

  static of(socket: Socket): Gate | undefined {
    return gates.get(socket);
  }

  /** Nothing is under way: no byte of a request came that is not answered. */
  get idle(): boolean {
    return this.#place !== 'inside a message' && this.#open === 0 && this.#held === undefined;
  }

  /** For a sweep over all connections: whether this one is idle and no byte came since the last time it was asked. */
  stayedQuiet(): boolean {
    const quiet = this.#quiet;
    this.#quiet = true;
    return quiet && this.idle;
  }

  /**
   * Whether a refusal written now is read as the answer to what is refused: no other request is without an answer, and
   * this one has none of it.
   */
  get mayRefuse(): boolean {
    if (this.#open === 0) return true;
    const own = this.#request !== undefined && !this.#request.complete;
    return own && this.#open === 1 && this.#newest?.headersSent === false;
  }

  /**
   * Node counts the time for a head from the connection on, and has seen none: all that came so far was read here. Its
   * complaint comes once, and its clock is set anew with the first byte that it gets.
   */
  get isUnknownToNode(): boolean {
    return this.#quick.hadOne && !this.#nodeHasBytes;
  }

  /** No further byte reaches Node, and no request of this connection a handler. */
  get isShut(): boolean {
    return this.#shut;
  }

  shut(): void {
    this.#shut = true;
    this.#held = undefined;
  }

  /** For FrontRequest alone: the head is complete. */
  head(request: FrontRequest): ListVerb | undefined {
    // Two messages run into each other here; neither is answered.
    if (this.#probing) this.shut();
    const verb = this.#verb;
    this.#verb = undefined;
    this.#request = request;
    return verb;
  }

  begin(response: ServerResponse): void {
    this.#open += 1;
    this.#newest = response;
  }

  /** The answer is out, or its connection is gone. */
  end(response: ServerResponse): void {
    this.#open -= 1;
    this.#quiet = false;
    if (this.#newest === response) this.#newest = undefined;
    if (this.#held !== undefined && this.#open === 0) this.#release();
  }

  #receive(arrived: NonSharedBuffer): void {
    if (this.#shut) return;
    this.#quiet = false;
    let bytes = arrived;
    if (this.#held !== undefined) {
      bytes = Buffer.concat([this.#held, arrived]);
      this.#held = undefined;
      clearTimeout(this.#unfinished);
    }
    if (this.#quick.isOpen) {
      this.#wait(bytes);
      return;
    }
    if (this.#place === 'certain boundary' && this.#open === 0 && this.#quick.takes(bytes)) {
      this.#open += 1;
      return;
    }
    const verb = this.#place === 'inside a message' ? undefined : leadingVerb(bytes);
    if (verb === undefined) this.#feed(bytes);
    else if (verb === 'unfinished' || this.#open > 0) this.#hold(bytes);
    else if (this.#place === 'certain boundary' || this.#probe()) this.#rewrite(verb, bytes);
  }

  #endQuick(isLast: boolean): void {
    this.#open -= 1;
    this.#quiet = false;
    if (isLast) this.shut();
    if (this.#held === undefined) return;
    this.socket.resume();
    this.#release();
  }

  /** Answers keep the order of their requests; what comes meanwhile is a packet or two, as nothing more is read. */
  #wait(bytes: NonSharedBuffer): void {
    this.#held = bytes;
    this.socket.pause();
  }

  #rewrite(verb: ListVerb, bytes: NonSharedBuffer): void {
    this.#verb = verb;
    // In place, one byte further: the buffer is ours, and 'GET ' is one shorter.
    bytes.write('GET ', verbSizeBytes - 'GET '.length, 'latin1');
    this.#feed(bytes.subarray(verbSizeBytes - 'GET '.length));
  }

  #feed(bytes: NonSharedBuffer): void {
    this.#nodeHasBytes = true;
    this.#toNode(bytes);
    const newest = this.#request;
    if (newest?.complete === true) {
      this.#place = endsInEmptyLine(bytes) ? 'certain boundary' : 'likely boundary';
      this.#request = undefined;
    } else {
      this.#place = 'inside a message';
    }
  }

  /** Makes a likely boundary certain, or ends the connection. */
  #probe(): boolean {
    this.#probing = true;
    this.#toNode(emptyLine);
    this.#probing = false;
    if (this.#shut) this.socket.destroy();
    return !this.#shut;
  }

  #hold(bytes: NonSharedBuffer): void {
    if (bytes.length > this.#limits.heldBytes) {
      this.socket.destroy();
      return;
    }
    this.#held = bytes;
    if (bytes.length >= verbSizeBytes) return;
    // Node has not seen these letters, so its clock for heads does not run.
    this.#unfinished = setTimeout(() => this.#expire(), this.#limits.headSeconds * 1000);
  }

  #expire(): void {
    // While an answer is awaited the letters may wait with it; its request has a deadline.
    if (this.#open > 0) this.#unfinished?.refresh();
    else this.socket.destroy();
  }

  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    clearTimeout(this.#unfinished);
    if (held === undefined || this.#shut || this.socket.destroyed || this.socket.readableEnded) return;
    if (this.socket.isPaused()) this.socket.unshift(held);
    else this.#receive(held);
  }
}

function endsInEmptyLine(bytes: Buffer): boolean {
  const size = bytes.length;
  return (
    bytes[size - 1] === 0x0a &&
    bytes[size - 2] === 0x0d &&
    bytes[size - 3] === 0x0a &&
    bytes[size - 4] === 0x0d
  );
}
