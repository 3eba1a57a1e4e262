import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fileSeal, type Keyring, type Seal } from '../index.ts';
import {
  admin,
  openStage,
  random,
  readCanary,
  type Stage,
  shareSeal,
  unsealWith,
  writeCanary,
} from './ceremony.fixture.ts';
import { memorySeal } from './memory-seal.fixture.ts';

let stage: Stage;
let folder: string;
const code = (expected: string) => expect.objectContaining({ code: expected });

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.clear();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-seals-'));
  return () => rm(folder, { recursive: true });
});

async function rekeyed(keyring: Keyring): Promise<readonly SecretBytes[]> {
  const options = { target: 'seal', shares: 3, threshold: 2, verify: true } as const;
  const { shares = [] } = await keyring.rekey.start(options, admin);
  for (const share of shares.slice(0, 2)) await keyring.rekey.verify(share, keyring.rekey.status().nonce);
  return shares;
}

async function opened(seal: Seal, previous?: Seal): Promise<Keyring> {
  const keyring = stage.keyring(seal, previous);
  await keyring.open();
  return keyring;
}

describe('migration of the seal', () => {
  it('from one machine to another happens at the next start, and the old seal is not needed again', async () => {
    const [from, to] = [fileSeal(join(folder, 'root.key'), random), memorySeal('kms')];
    const before = await opened(from);
    const canary = await writeCanary(before);
    await before.close();
    await expect(opened(to)).rejects.toEqual(code('keyring.seal_mismatch'));

    const moved = await opened(to, from);
    expect(await moved.status()).toMatchObject({ seal: 'kms', migration: 'none', sealed: false });
    await moved.rotateRoot(admin);
    await moved.close();
    const after = await opened(to);

    expect(await readCanary(after, canary)).toBe('sings');
    await expect(opened(from)).rejects.toEqual(code('keyring.seal_mismatch'));
    expect(await readCanary(await opened(to, from), canary)).toBe('sings');
  });

  it('between two keys of one kind happens too, whether or not the sealed bytes name the key', async () => {
    const [from, to] = ['old.key', 'new.key'].map((name) => fileSeal(join(folder, name), random));
    if (from === undefined || to === undefined) throw new Error('expected two seals');
    const before = await opened(from);
    const canary = await writeCanary(before);
    await before.close();

    const moved = await opened(to, from);

    expect(await readCanary(moved, canary)).toBe('sings');
    await moved.close();
    await rm(join(folder, 'old.key'));
    expect(await readCanary(await opened(to), canary)).toBe('sings');
  });

  it('from shares to a machine waits for the shares, which become recovery shares', async () => {
    const first = stage.keyring(shareSeal());
    const { shares } = await first.initialise({ shares: { shares: 3, threshold: 2 } });
    await unsealWith(first, shares);
    const canary = await writeCanary(first);
    await first.close();
    const to = memorySeal('kms');
    const moving = stage.keyring(to, shareSeal());
    expect(await moving.status()).toMatchObject({ seal: 'shamir', byShares: true, migration: 'unseal' });
    await expect(moving.open()).rejects.toEqual(code('keyring.needs_shares'));

    await unsealWith(moving, shares.slice(1));

    expect(await moving.status()).toMatchObject({ seal: 'kms', migration: 'none', shares: 3, threshold: 2 });
    await moving.close();
    const after = await opened(to);
    expect(await readCanary(after, canary)).toBe('sings');
    const quorum = after.quorum();
    const { nonce } = await quorum.start();
    const [one, two] = shares;
    if (one === undefined || two === undefined) throw new Error('expected shares');
    await quorum.add(one, nonce);
    expect(await quorum.add(two, nonce)).toBe(true);
  });

  it('from a machine to shares is a rekey: until the new shares came back, the machine opens it', async () => {
    const from = fileSeal(join(folder, 'root.key'), random);
    const before = await opened(from);
    const canary = await writeCanary(before);
    await before.close();
    const moving = await opened(shareSeal(), from);
    expect(await moving.status()).toMatchObject({ seal: 'file', sealed: false, migration: 'rekey' });
    await moving.rotateRoot(admin);
    expect(await readCanary(await opened(from), canary)).toBe('sings');

    const shares = await rekeyed(moving);

    expect(await moving.status()).toMatchObject({ seal: 'shamir', migration: 'none', threshold: 2 });
    await moving.rotateRoot(admin);
    await moving.close();
    await rm(join(folder, 'root.key'));
    const after = stage.keyring(shareSeal());
    expect(await unsealWith(after, shares.slice(1))).toBe(true);
    expect(await readCanary(after, canary)).toBe('sings');
  });

  it('from a machine to shares needs the recovery shares where there are any, and ends them', async () => {
    const from = memorySeal('kms');
    const before = stage.keyring(from);
    const { recoveryShares } = await before.initialise({ recovery: { shares: 2, threshold: 2 } });
    await before.close();
    const moving = await opened(shareSeal(), from);
    const options = { target: 'seal', shares: 3, threshold: 2, verify: true } as const;
    const started = await moving.rekey.start(options, admin);
    expect(started).toMatchObject({ complete: false, status: { stage: 'prove', required: 2 } });
    expect(started.shares).toBeUndefined();
    const { nonce } = started.status;
    const [one, two] = recoveryShares;
    if (one === undefined || two === undefined) throw new Error('expected shares');
    await moving.rekey.prove(one, nonce);

    const { shares = [] } = await moving.rekey.prove(two, nonce);
    for (const share of shares.slice(0, 2)) await moving.rekey.verify(share, moving.rekey.status().nonce);

    expect(await moving.status()).toMatchObject({ seal: 'shamir', shares: 3 });
    expect(stage.audit.events.map(({ type }) => type)).toContain('keyring.recovery.removed');
  });

  it('by one process keeps another, which knows the old seal only, from sealing a new root with it', async () => {
    const [from, to] = [memorySeal('one'), memorySeal('two')];
    const old = await opened(from);
    await opened(to, from);

    await expect(old.rotateRoot(admin)).rejects.toEqual(code('keyring.seal_changed'));
    await opened(to);
  });

  it('does not happen when the new seal does not give back what it took', async () => {
    const from = memorySeal('one');
    const before = await opened(from);
    const canary = await writeCanary(before);
    const broken: Seal = { ...memorySeal('two'), wrap: async () => new Uint8Array(8) };

    await expect(opened(broken, from)).rejects.toMatchObject({ name: 'Fault' });

    expect(await readCanary(await opened(from), canary)).toBe('sings');
  });
});
