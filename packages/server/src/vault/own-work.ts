import { randomUUID } from 'node:crypto';
import type { Journal, Turn } from '#journal';
import type { Audited } from './audit/audited.ts';
import type { Exchange } from './audit/exchange.ts';
import type { Engines } from './engines.ts';
import { revokeSome } from './lease/revocation.ts';
import { revocations } from './lease/revoked.ts';
import { scopeOfEnvironment } from './mounts/mount.ts';
import { removeSome } from './mounts/removed.ts';
import { mountsOf } from './mounts/table.ts';
import { below } from './records.ts';
import { dueTokens, revokeToken } from './tokens/tokens.ts';

export interface OwnWorkDeps {
  readonly journal: Journal;
  readonly engines: Engines;
  readonly audited: Audited;
}

/** What the server does by itself, in portions that leave room for requests, audited as if somebody had asked for it. */
export interface OwnWork {
  /** One portion of everything that is due; gives how much was done. Harmless on several replicas. */
  some(): Promise<number>;
  /** Seals records again that are under older keys than their environment has now; gives how many. Every minute. */
  rewrap(): Promise<number>;
}

const portion = 200;
const keysAtOnce = 10;
const rewrapAtOnce = 1000;

export function createOwnWork({ journal, engines, audited }: OwnWorkDeps): OwnWork {
  /** Looks first: most rounds find nothing, and need no audit. */
  async function inTurn(
    path: string,
    isDue: (turn: Turn) => boolean,
    work: (turn: Turn) => number | readonly string[],
  ) {
    if (!journal.peek(isDue)) return 0;
    return await audited((turn) => {
      const done = work(turn);
      const answer = typeof done === 'number' ? done : done.length;
      return { answer, exchange: answer === 0 ? undefined : ownDoing(path, { done }, turn.now) };
    });
  }

  async function rotateKeys(): Promise<number> {
    const { rotation } = engines.transit;
    let count = 0;
    for (const mount of journal.peek((turn) => mountsOf(turn).mounts)) {
      if (mount.type !== 'transit') continue;
      const scope = scopeOfEnvironment(mount.environment);
      await journal.openScope(scope);
      const storeOf = (turn: Turn) => below(turn.space(scope), `mount/${mount.id}/`);
      const due = await journal.peek((turn) => rotation.prepare(storeOf(turn), turn.now, keysAtOnce));
      if (due.length === 0) continue;
      count += await audited((turn) => {
        const names = rotation.decide(storeOf(turn), turn.now, due);
        const exchange =
          names.length === 0 ? undefined : ownDoing(`${mount.path}keys/rotate`, { names }, turn.now);
        return { answer: names.length, exchange };
      });
    }
    return count;
  }

  return {
    async some() {
      const expired = await inTurn(
        'sys/leases/expire',
        (turn) => dueTokens(turn, 1).length > 0,
        (turn) => {
          const due = dueTokens(turn, portion);
          for (const accessor of due) revokeToken(turn, accessor);
          return due;
        },
      );
      const revoked = await inTurn(
        'sys/leases/revoke-prefix',
        (turn) => revocations(turn).length > 0,
        (turn) => revokeSome(turn, portion),
      );
      const removed = await inTurn(
        'sys/mounts/remove',
        (turn) => turn.space('system').list('core/removed/').length > 0,
        (turn) => removeSome(turn, portion),
      );
      return expired + revoked + removed + (await rotateKeys());
    },
    async rewrap() {
      const environments = journal.peek((turn) => mountsOf(turn).mounts.map((mount) => mount.environment));
      let count = 0;
      for (const scope of new Set(environments.map(scopeOfEnvironment)))
        count += await journal.rewrapSome(scope, rewrapAtOnce);
      return count;
    },
  };
}

/** What the server does by itself, for its audit. */
export function ownDoing(path: string, data: Readonly<Record<string, unknown>>, now: number): Exchange {
  return {
    requestTime: now,
    responseTime: now,
    clientToken: undefined,
    caller: undefined,
    policyResults: undefined,
    request: {
      id: randomUUID(),
      operation: 'update',
      mount: undefined,
      path,
      data,
      headers: {},
      remoteAddress: '',
      remotePort: 0,
    },
    response: {},
  };
}
