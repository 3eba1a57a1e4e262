import type { Turn } from '#journal';
import type { Exchange } from '../audit/exchange.ts';
import { ownDoing } from '../own-work.ts';
import { type NativeActor, nativeCaller } from './caller.ts';

/** What a native caller did that no engine was asked for, for its audit. */
export function nativeDoing(
  turn: Turn,
  by: NativeActor,
  done: {
    readonly operation: 'read' | 'update';
    readonly path: string;
    readonly data: Readonly<Record<string, unknown>>;
  },
): Exchange {
  const own = ownDoing(done.path, done.data, turn.now);
  return {
    ...own,
    caller: nativeCaller(turn, by, '*').audited,
    policyResults: { allowed: true, granting: [] },
    request: { ...own.request, operation: done.operation },
  };
}
