import type { SecretBytes } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db, Tx } from '#platform';
import type { Keyring, Seal } from '../index.ts';
import {
  admin,
  openStage,
  readCanary,
  type Stage,
  shareSeal,
  unsealWith,
  writeCanary,
} from './ceremony.fixture.ts';
import { memorySeal } from './memory-seal.fixture.ts';

/**
 * Each ceremony is ended before and after each of its effects: a commit of the database, a call of a seal. What comes
 * then is a new process with the same database. It opens with the old state or with the new one, never with neither.
 */
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.clear());

class Killed extends Error {}

/** Counts effects and ends the process, as far as that process can tell, at one of them. */
function scheduled(at: number): {
  readonly passed: () => number;
  effect<T>(work: () => Promise<T>): Promise<T>;
} {
  let moment = 0;
  const step = (): void => {
    moment += 1;
    if (moment >= at) throw new Killed();
  };
  return {
    passed: () => moment,
    async effect(work) {
      step();
      const result = await work();
      step();
      return result;
    },
  };
}

type Schedule = ReturnType<typeof scheduled>;

function dying(db: Db, schedule: Schedule): Db {
  return { ...db, engine: db.engine, read: db.read, write: (work) => schedule.effect(() => db.write(work)) };
}

function dyingSeal(seal: Seal, schedule: Schedule): Seal {
  return {
    kind: seal.kind,
    wrap: (root) => schedule.effect(() => seal.wrap(root)),
    unwrap: (sealed) => schedule.effect(() => seal.unwrap(sealed)),
  };
}

/** Runs the ceremony with a death at every moment until one run survives; `check` looks at what each left behind. */
async function atEveryMoment(
  prepare: () => Promise<void>,
  ceremony: (schedule: Schedule) => Promise<void>,
  check: (survived: boolean) => Promise<void>,
): Promise<number> {
  for (let at = 1; at < 100; at += 1) {
    await stage.clear();
    await prepare();
    const schedule = scheduled(at);
    const survived = await ceremony(schedule).then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof Killed)) throw error;
        return false;
      },
    );
    await check(survived);
    if (survived) return schedule.passed();
  }
  throw new Error('the ceremony has no end');
}

const rootsOf = async (tx: Tx): Promise<readonly string[]> => {
  const { rows } = await sql<{ kind: string }>`select seal_kind as kind from keyring_root`.execute(tx);
  return rows.map(({ kind }) => kind);
};

const opensWith = async (
  keyring: Keyring,
  shares: readonly SecretBytes[],
  canary?: Buffer,
): Promise<boolean> => {
  const open = await unsealWith(keyring, shares).catch(() => false);
  if (open && canary !== undefined) expect(await readCanary(keyring, canary)).toBe('sings');
  await keyring.close();
  return open;
};

describe('ended at any moment', () => {
  it('initialise leaves nothing, or a root that the shares open or that may be replaced', async () => {
    let shares: readonly SecretBytes[] = [];
    const moments = await atEveryMoment(
      async () => {
        shares = [];
      },
      async (schedule) => {
        const keyring = stage.keyring(shareSeal(), undefined, dying(stage.db, schedule));
        ({ shares } = await keyring.initialise({ shares: { shares: 3, threshold: 2 } }));
      },
      async (survived) => {
        if (survived) {
          expect(await opensWith(stage.keyring(shareSeal()), shares)).toBe(true);
          return;
        }
        const again = stage.keyring(shareSeal());
        const options = { shares: { shares: 3, threshold: 2 }, replaceUnused: true };
        const { shares: second } = await again.initialise(options);
        expect(await opensWith(again, second)).toBe(true);
      },
    );
    expect(moments).toBe(2);
  });

  it('the first open of a seal that a machine opens leaves what the next one opens', async () => {
    let seal = memorySeal('kms');
    const moments = await atEveryMoment(
      async () => {
        seal = memorySeal('kms');
      },
      async (schedule) => {
        const keyring = stage.keyring(dyingSeal(seal, schedule), undefined, dying(stage.db, schedule));
        await keyring.initialise({ recovery: { shares: 2, threshold: 2 } });
      },
      async () => {
        const next = stage.keyring(seal);
        await next.open();
        expect(await readCanary(next, await writeCanary(next))).toBe('sings');
        await next.close();
      },
    );
    expect(moments).toBeGreaterThanOrEqual(8);
  });

  it('rekey leaves exactly one set of shares in force, the old or the new', async () => {
    let old: readonly SecretBytes[] = [];
    let fresh: readonly SecretBytes[] = [];
    let canary: Buffer = Buffer.alloc(0);
    const seen = new Set<string>();
    await atEveryMoment(
      async () => {
        fresh = [];
        const first = stage.keyring(shareSeal());
        ({ shares: old } = await first.initialise({ shares: { shares: 3, threshold: 2 } }));
        await unsealWith(first, old);
        canary = await writeCanary(first);
        await first.close();
      },
      async (schedule) => {
        const keyring = stage.keyring(shareSeal(), undefined, dying(stage.db, schedule));
        await unsealWith(keyring, old);
        const options = { target: 'seal', shares: 2, threshold: 2, verify: true } as const;
        await keyring.rekey.start(options, admin);
        const nonce = (): string => keyring.rekey.status().nonce;
        for (const share of old.slice(0, 2)) {
          fresh = (await keyring.rekey.prove(share, nonce())).shares ?? [];
        }
        for (const share of fresh) await keyring.rekey.verify(share, nonce());
      },
      async (survived) => {
        const byOld = await opensWith(stage.keyring(shareSeal()), old.slice(1), canary);
        const byNew = await opensWith(stage.keyring(shareSeal()), fresh, canary);
        expect(byOld).not.toBe(byNew);
        if (survived) expect(byNew).toBe(true);
        seen.add(byOld ? 'old' : 'new');
      },
    );
    expect(seen).toEqual(new Set(['old', 'new']));
  });

  const kinds = ['machine to machine', 'shares to machine', 'machine to shares'] as const;
  it.each(kinds)('migration from %s leaves what the same start opens, and nothing lost', async (kind) => {
    let from: Seal = memorySeal('one');
    let to: Seal = memorySeal('two');
    let shares: readonly SecretBytes[] = [];
    let canary: Buffer = Buffer.alloc(0);
    const seen = new Set<string>();
    const machine = (seal: Seal): boolean => seal.kind !== 'shamir';
    /** The operator's next attempt: the same configuration, and the shares that the operator has. */
    const carryOn = async (keyring: Keyring): Promise<void> => {
      const { byShares, migration } = await keyring.status();
      if (byShares) await unsealWith(keyring, shares);
      else await keyring.open();
      if (migration !== 'rekey') return;
      const options = { target: 'seal', shares: 2, threshold: 2, verify: true } as const;
      const { shares: fresh = [] } = await keyring.rekey.start(options, admin);
      shares = fresh;
      for (const share of fresh) await keyring.rekey.verify(share, keyring.rekey.status().nonce);
    };
    await atEveryMoment(
      async () => {
        from = kind === 'shares to machine' ? shareSeal() : memorySeal('one');
        to = kind === 'machine to shares' ? shareSeal() : memorySeal('two');
        shares = [];
        const first = stage.keyring(from);
        if (machine(from)) await first.open();
        else {
          ({ shares } = await first.initialise({ shares: { shares: 2, threshold: 2 } }));
          await unsealWith(first, shares);
        }
        canary = await writeCanary(first);
        await first.close();
      },
      async (schedule) => {
        const dyingTo = machine(to) ? dyingSeal(to, schedule) : to;
        const dyingFrom = machine(from) ? dyingSeal(from, schedule) : from;
        await carryOn(stage.keyring(dyingTo, dyingFrom, dying(stage.db, schedule)));
      },
      async () => {
        const [byOld] = (await stage.db.read((tx) => rootsOf(tx))).map((kindNow) => kindNow === from.kind);
        seen.add(byOld ? 'old' : 'new');
        const next = stage.keyring(to, from);
        await carryOn(next);
        expect(await readCanary(next, canary)).toBe('sings');
        expect(await next.status()).toMatchObject({ seal: to.kind, migration: 'none' });
        await next.close();
      },
    );
    expect(seen).toEqual(new Set(['old', 'new']));
  });
});
