import type { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyring, RekeyStep } from '../index.ts';
import {
  admin,
  openStage,
  readCanary,
  type Stage,
  shareSeal,
  strangeShare,
  unsealWith,
  writeCanary,
} from './ceremony.fixture.ts';
import { memorySeal } from './memory-seal.fixture.ts';

let stage: Stage;
let keyring: Keyring;
let old: readonly SecretBytes[];
let canary: Buffer;
const code = (expected: string) => expect.objectContaining({ code: expected });
const seal = { target: 'seal', shares: 4, threshold: 3, verify: true } as const;

async function bring(
  step: 'prove' | 'verify',
  shares: readonly SecretBytes[],
): Promise<RekeyStep | undefined> {
  let last: RekeyStep | undefined;
  for (const share of shares) last = await keyring.rekey[step](share, keyring.rekey.status().nonce);
  return last;
}

/** What the next process, which knows nothing of this one, can do with the shares. */
async function opens(shares: readonly SecretBytes[]): Promise<boolean> {
  const next = stage.keyring(shareSeal());
  const open = await unsealWith(next, shares).catch(() => false);
  const read = open ? await readCanary(next, canary) : undefined;
  await next.close();
  return read === 'sings';
}

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.clear();
  keyring = stage.keyring(shareSeal());
  ({ shares: old } = await keyring.initialise({ shares: { shares: 3, threshold: 2 } }));
  await unsealWith(keyring, old);
  canary = await writeCanary(keyring);
});

describe('rekey of a seal of shares', () => {
  it('makes new shares after a proof, and lets the old ones die only when the new ones came back', async () => {
    await keyring.rekey.start(seal, admin);
    expect((await bring('prove', old.slice(0, 1)))?.status).toMatchObject({ progress: 1, required: 2 });
    const proven = await bring('prove', old.slice(1, 2));
    const fresh = proven?.shares ?? [];

    expect(proven).toMatchObject({ complete: false, status: { stage: 'verify', required: 3, progress: 0 } });
    expect(fresh).toHaveLength(4);
    expect([await opens(old), await opens(fresh)]).toEqual([true, false]);
    await bring('verify', fresh.slice(0, 2));
    expect([await opens(old), await opens(fresh)]).toEqual([true, false]);
    expect(await bring('verify', fresh.slice(3))).toMatchObject({ complete: true });
    expect([await opens(old), await opens(fresh)]).toEqual([false, true]);
    expect(keyring.rekey.status().started).toBe(false);
    expect(await readCanary(keyring, canary)).toBe('sings');
    await keyring.rotateRoot(admin);
    expect([await opens(old), await opens(fresh.slice(1))]).toEqual([false, true]);
    expect(stage.audit.events.map(({ type }) => type)).toContain('keyring.root.resealed');
  });

  it('is complete with the proof where nobody asked for new shares to come back', async () => {
    await keyring.rekey.start({ ...seal, verify: false }, admin);
    const done = await bring('prove', old.slice(0, 2));

    expect(done).toMatchObject({ complete: true, status: { started: false } });
    expect([await opens(old), await opens(done?.shares ?? [])]).toEqual([false, true]);
  });

  it('begins its proof again after wrong old shares, and its verification after wrong new ones', async () => {
    await keyring.rekey.start(seal, admin);
    await bring('prove', old.slice(0, 1));
    await expect(bring('prove', [strangeShare(9)])).rejects.toEqual(code('keyring.shares_wrong'));
    expect(keyring.rekey.status()).toMatchObject({ stage: 'prove', progress: 0 });
    const fresh = (await bring('prove', old.slice(1)))?.shares ?? [];
    await bring('verify', fresh.slice(0, 2));
    await expect(bring('verify', [strangeShare(9)])).rejects.toEqual(code('keyring.shares_wrong'));

    expect(keyring.rekey.status()).toMatchObject({ stage: 'verify', progress: 0 });
    expect([await opens(old), await opens(fresh)]).toEqual([true, false]);
    expect(await bring('verify', fresh.slice(1))).toMatchObject({ complete: true });
    expect([await opens(old), await opens(fresh)]).toEqual([false, true]);
  });

  it('refuses a second one, a foreign nonce, steps out of order, and splits that cannot be', async () => {
    await expect(keyring.rekey.start({ ...seal, shares: 2 }, admin)).rejects.toEqual(code('keyring.shares'));
    await expect(keyring.rekey.prove(strangeShare(1), '')).rejects.toEqual(code('keyring.no_ceremony'));
    await expect(keyring.rekey.start({ ...seal, target: 'recovery' }, admin)).rejects.toEqual(
      code('keyring.opens_itself'),
    );
    await keyring.rekey.start(seal, admin);

    await expect(keyring.rekey.start(seal, admin)).rejects.toEqual(code('keyring.ceremony_runs'));
    await expect(keyring.rekey.prove(strangeShare(1), 'foreign')).rejects.toEqual(code('keyring.nonce'));
    await expect(keyring.rekey.verify(strangeShare(1), '')).rejects.toEqual(code('keyring.no_ceremony'));
    keyring.rekey.cancel();
    expect(keyring.rekey.status()).toMatchObject({ started: false, nonce: '', progress: 0 });
    await keyring.seal();
    await expect(keyring.rekey.start(seal, admin)).rejects.toEqual(code('keyring.closed'));
  });

  it('is cancelled by sealing, and the old shares stay', async () => {
    await keyring.rekey.start(seal, admin);
    const fresh = (await bring('prove', old.slice(0, 2)))?.shares ?? [];
    await keyring.seal();

    await expect(bring('verify', fresh)).rejects.toEqual(code('keyring.no_ceremony'));
    expect([await opens(old), await opens(fresh)]).toEqual([true, false]);
  });

  it('by one process keeps another, which has the old key, from sealing a new root with it', async () => {
    const other = stage.keyring(shareSeal());
    await unsealWith(other, old);
    await keyring.rekey.start({ ...seal, verify: false }, admin);
    const fresh = (await bring('prove', old.slice(0, 2)))?.shares ?? [];

    await expect(other.rotateRoot(admin)).rejects.toEqual(code('keyring.seal_changed'));

    expect(await readCanary(other, canary)).toBe('sings');
    await other.seal();
    expect(await unsealWith(other, fresh)).toBe(true);
    expect((await other.rotateRoot(admin)).version).toBe(2);
    expect(await opens(fresh)).toBe(true);
  });

  it('survives a rotation of the root between proof and verification', async () => {
    await keyring.rekey.start(seal, admin);
    const fresh = (await bring('prove', old.slice(0, 2)))?.shares ?? [];
    await keyring.rotateRoot(admin);

    expect(await bring('verify', fresh.slice(1))).toMatchObject({ complete: true });
    expect([await opens(old), await opens(fresh)]).toEqual([false, true]);
  });
});

describe('rekey of a recovery key', () => {
  const recovery = { ...seal, target: 'recovery' } as const;
  const agrees = async (shares: readonly SecretBytes[]): Promise<boolean> => {
    const quorum = keyring.quorum();
    const { nonce } = await quorum.start();
    let proven = false;
    for (const share of shares) proven = await quorum.add(share, nonce).catch(() => false);
    return proven;
  };

  beforeEach(async () => {
    await stage.clear();
    keyring = stage.keyring(memorySeal('memory'));
  });

  it('replaces the shares when the new ones came back', async () => {
    const made = await keyring.initialise({ recovery: { shares: 3, threshold: 2 } });
    await keyring.rekey.start(recovery, admin);
    const fresh = (await bring('prove', made.recoveryShares.slice(1)))?.shares ?? [];
    expect(await agrees(made.recoveryShares.slice(1))).toBe(true);

    await bring('verify', fresh.slice(0, 3));

    expect(await agrees(made.recoveryShares.slice(0, 3))).toBe(false);
    expect(await agrees(fresh.slice(1))).toBe(true);
    expect(stage.audit.events.filter(({ type }) => type === 'keyring.recovery.replaced')).toHaveLength(2);
  });

  it('makes the first ones without a proof, where nobody holds any', async () => {
    await keyring.open();
    const first = await keyring.rekey.start(recovery, admin);
    expect(first).toMatchObject({ complete: false, status: { stage: 'verify' } });

    await bring('verify', first.shares?.slice(1) ?? []);

    expect(await agrees(first.shares?.slice(0, 3) ?? [])).toBe(true);
    await expect(keyring.rekey.start(seal, admin)).rejects.toEqual(code('keyring.opens_itself'));
  });
});
