import { Duplex } from 'node:stream';
import { type OwnBytes, ownBytes } from './pglite-messages.ts';
import { type WireMessage, wireMessages } from './wire.ts';

/** Gives a batch of protocol messages to the engine and brings back its answer. */
export interface WireEngine {
  /** Takes the bytes: the caller has none of them afterwards. */
  exchange(bytes: OwnBytes): Promise<Uint8Array>;
  reset(): Promise<void>;
}

// PostgreSQL protocol 3.0: AuthenticationOk, then ReadyForQuery in state idle.
const welcome = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49);
const endsBatch = new Set(['Q', 'S', 'H']);

/**
 * What `pg` takes for a TCP socket to a server: it answers the start-up itself and hands every complete batch (up to
 * Sync or a simple query) to the engine. So one driver, with one set of type parsers and one kind of error, serves
 * PGlite and PostgreSQL alike.
 */
export class PgliteSocket extends Duplex {
  readonly #engine: WireEngine;
  #pending: Uint8Array[] = [];
  #started = false;

  constructor(engine: WireEngine) {
    super();
    this.#engine = engine;
  }

  connect(): this {
    this.#engine.reset().then(
      () => this.emit('connect'),
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // Answers are pushed as they come.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: ReadonlyArray<{ chunk: Uint8Array }>, done: (error?: Error | null) => void): void {
    this.#take(
      chunks.map((part) => part.chunk),
      done,
    );
  }

  #take(chunks: readonly Uint8Array[], done: (error?: Error | null) => void): void {
    if (!this.#started) {
      // The first message has no type byte; user, database and options in it mean nothing to an embedded engine.
      this.#started = true;
      this.push(welcome);
      done();
      return;
    }
    this.#pending.push(...chunks);
    const bytes = ownBytes(this.#pending);
    const messages: readonly WireMessage[] = wireMessages(bytes);
    const last = messages.at(-1);
    if (last === undefined || last.end !== bytes.length || !endsBatch.has(last.type)) {
      if (last?.type === 'X') this.push(null);
      done();
      return;
    }
    this.#pending = [];
    this.#engine.exchange(bytes).then(
      (answer) => {
        if (!this.destroyed) this.push(answer);
        done();
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }
}
