import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../../ports.ts';
import type { QuickExchange } from './quick-exchange.ts';

/** Something that answers requests. */
export interface Part {
  /** Which paths it is asked about: those that begin with this text, such as `/v1/` or `/`. */
  readonly below: string;
  /**
   * Answers, now or later, and gives true; or touches nothing and gives false, and the next part is asked. `method` of
   * the request may be `LIST` or `SCAN`. A throw is answered with 500.
   */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean;
  /**
   * The same for requests that need no parser of Node: those that came whole in one packet. What it does not take,
   * `handle` is asked about. Such a request may never come: who has `quick` answers the same with `handle`.
   */
  readonly quick?: (exchange: QuickExchange) => boolean;
}

export interface PartOnListener {
  /**
   * Takes no new requests from now on; resolves when those in flight are answered, or cut off after the grace.
   * Idempotent.
   */
  detach(): Promise<void>;
}

/** What both kinds of answers can do. */
type Unanswered = Pick<ServerResponse, 'headersSent' | 'shouldKeepAlive'> & { destroy(): unknown };

/** A part together with what it has not answered yet. */
interface Slot extends Part {
  readonly open: Set<Unanswered>;
  drained: (() => void) | undefined;
  finished(answer: Unanswered): void;
}

export interface Parts {
  attach(part: Part): PartOnListener;
  /** The part that took the request, whose `finished` is owed when the answer is out; undefined when none did. */
  handle(request: IncomingMessage, response: ServerResponse, log: Log): Pick<Slot, 'finished'> | undefined;
  quick(exchange: QuickExchange, log: Log): Pick<Slot, 'finished'> | undefined;
  /** Answers that have not begun will end their connections. */
  lastAnswers(): void;
}

export function createParts(graceSeconds: number): Parts {
  let slots: readonly Slot[] = [];
  return {
    attach: (part) => {
      const slot = slotFor(part);
      slots = [...slots, slot].sort((a, b) => b.below.length - a.below.length);
      let detached: Promise<void> | undefined;
      return {
        detach: () => {
          slots = slots.filter((one) => one !== slot);
          detached ??= drain(slot, graceSeconds);
          return detached;
        },
      };
    },
    handle: (request, response, log) => {
      const path = request.url ?? '';
      for (const slot of slots) {
        if (!path.startsWith(slot.below)) continue;
        try {
          if (!slot.handle(request, response)) continue;
        } catch (error) {
          log.error({ below: slot.below, err: error }, 'a request failed');
          fail(response);
        }
        slot.open.add(response);
        return slot;
      }
      return undefined;
    },
    quick: (exchange, log) => {
      // The first that fits, and no other: whoever is before a part in the order is asked before it.
      const slot = slots.find(({ below }) => exchange.url.startsWith(below));
      if (slot?.quick === undefined) return undefined;
      try {
        if (!slot.quick(exchange)) return undefined;
      } catch (error) {
        log.error({ below: slot.below, err: error }, 'a request failed');
        exchange.fail();
      }
      slot.open.add(exchange);
      return slot;
    },
    lastAnswers: () => {
      for (const slot of slots) {
        for (const response of slot.open) if (!response.headersSent) response.shouldKeepAlive = false;
      }
    },
  };
}

function slotFor(part: Part): Slot {
  const slot: Slot = {
    ...part,
    open: new Set(),
    drained: undefined,
    finished: (answer) => {
      slot.open.delete(answer);
      if (slot.open.size === 0) slot.drained?.();
    },
  };
  return slot;
}

async function drain(slot: Slot, graceSeconds: number): Promise<void> {
  if (slot.open.size === 0) return;
  const cut = setTimeout(() => {
    for (const response of slot.open) response.destroy();
  }, graceSeconds * 1000);
  await new Promise<void>((resolve) => {
    slot.drained = resolve;
  });
  clearTimeout(cut);
}

function fail(response: ServerResponse): void {
  // Half an answer is out; only cutting the connection tells the client that it is not whole.
  if (response.headersSent) response.destroy();
  else response.writeHead(500, { 'content-length': 0, connection: 'close' }).end();
}
