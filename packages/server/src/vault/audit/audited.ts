import type { Journal, Turn } from '#journal';
import type { Exchange } from './exchange.ts';
import type { AuditRegistry } from './registry.ts';

/** What was decided, and what is written down of it; nothing when there was nothing to do. */
export interface Told<R> {
  readonly answer: R;
  readonly exchange: Exchange | undefined;
}

/** Decides in a turn; resolves when it is durable and every required device has it, as for a request. */
export type Audited = <R>(decide: (turn: Turn) => Told<R>) => Promise<R>;

export function createAudited(journal: Pick<Journal, 'run'>, registry: AuditRegistry): Audited {
  return async (decide) => {
    const { answer, copies } = await journal.run((turn) => {
      const before = registry.inForce(turn);
      const { answer, exchange } = decide(turn);
      if (exchange === undefined) return { answer: { answer, copies: undefined }, audit: [] };
      const { audit, copies } = registry.lines(turn, before, exchange);
      return { answer: { answer, copies }, audit };
    });
    if (copies !== undefined) await registry.deliver(copies);
    return answer;
  };
}
