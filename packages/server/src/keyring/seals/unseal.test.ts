import { verify } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyring } from '../index.ts';
import {
  openStage,
  readCanary,
  type Stage,
  scope,
  shareSeal,
  strangeShare,
  unsealWith,
  writeCanary,
} from './ceremony.fixture.ts';
import { memorySeal } from './memory-seal.fixture.ts';

let stage: Stage;
let keyring: Keyring;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.clear();
  keyring = stage.keyring(shareSeal());
});

const code = (expected: string) => expect.objectContaining({ code: expected });
const initialise = (shares: number, threshold: number) =>
  keyring.initialise({ shares: { shares, threshold } });

describe('a keyring with a seal of shares', () => {
  it('is not initialised, then sealed, then open, then sealed again, and says so', async () => {
    expect(await keyring.status()).toEqual({
      initialised: false,
      sealed: true,
      seal: 'shamir',
      byShares: true,
      shares: 0,
      threshold: 0,
      progress: 0,
      nonce: '',
      rootVersion: 0,
      migration: 'none',
    });
    const { shares, recoveryShares } = await initialise(5, 3);
    const sealed = { initialised: true, sealed: true, shares: 5, threshold: 3, rootVersion: 1 };
    expect([shares.length, recoveryShares.length]).toEqual([5, 0]);
    expect(await keyring.status()).toMatchObject({ ...sealed, progress: 0, nonce: '' });
    expect(await unsealWith(keyring, shares.slice(0, 2))).toBe(false);
    expect(await keyring.status()).toMatchObject({
      ...sealed,
      progress: 2,
      nonce: expect.stringMatching(/-4/),
    });

    expect(await unsealWith(keyring, shares.slice(4))).toBe(true);

    expect(await keyring.status()).toMatchObject({ ...sealed, sealed: false, progress: 0, nonce: '' });
    await keyring.seal();
    expect(await keyring.status()).toMatchObject({ ...sealed, progress: 0 });
  });

  it('does nothing while it is sealed, and everything as before after it was opened with other shares', async () => {
    const { shares } = await initialise(5, 3);
    await expect(keyring.cipher(scope)).rejects.toEqual(code('keyring.closed'));
    await unsealWith(keyring, shares.slice(0, 3));
    const canary = await writeCanary(keyring);
    const cipher = await keyring.cipher(scope);
    const signer = await keyring.signer('log');
    await keyring.seal();

    expect(() => cipher.open('canary', canary)).toThrow(code('keyring.closed'));
    expect(() => signer.sign(Buffer.from('x'))).toThrow(code('keyring.closed'));
    await expect(keyring.cipher(scope)).rejects.toEqual(code('keyring.closed'));
    await expect(keyring.signer('log')).rejects.toEqual(code('keyring.closed'));
    await expect(keyring.rotateRoot({ kind: 'person', id: 'psn_a' })).rejects.toEqual(code('keyring.closed'));
    await expect(keyring.rewrapSome()).rejects.toEqual(code('keyring.closed'));
    await unsealWith(keyring, shares.slice(2));
    expect(await readCanary(keyring, canary)).toBe('sings');
    const key = { key: Buffer.from(signer.publicKeySpki), format: 'der', type: 'spki' } as const;
    expect(verify(null, Buffer.from('x'), key, signer.sign(Buffer.from('x')))).toBe(true);
  });

  it('forgets what was collected when the shares do not fit, and takes the right ones afterwards', async () => {
    const { shares } = await initialise(3, 2);
    const [one, two] = shares;
    if (one === undefined || two === undefined) throw new Error('expected shares');
    await keyring.unseal(strangeShare(9));

    await expect(keyring.unseal(one)).rejects.toEqual(code('keyring.shares_wrong'));

    expect(await keyring.status()).toMatchObject({ sealed: true, progress: 0 });
    expect(await unsealWith(keyring, [one, two])).toBe(true);
    expect(await keyring.unseal(strangeShare(1))).toBe(true);
  });

  it('counts one share once, refuses another of the same number, other sizes, and a foreign nonce', async () => {
    const { shares } = await initialise(3, 2);
    const [one, two] = shares;
    if (one === undefined || two === undefined) throw new Error('expected shares');
    await keyring.unseal(one);
    const { nonce } = await keyring.status();

    expect(await keyring.unseal(one)).toBe(false);
    await expect(keyring.unseal(strangeShare(1))).rejects.toEqual(code('keyring.share'));
    await expect(keyring.unseal(strangeShare(0))).rejects.toEqual(code('keyring.share'));
    for (const size of [0, 1, 32, 34, 4096]) {
      const share = SecretBytes.from(new Uint8Array(size).fill(7));
      await expect(keyring.unseal(share)).rejects.toEqual(code('keyring.share'));
    }
    await expect(keyring.unseal(two, 'another')).rejects.toEqual(code('keyring.nonce'));
    expect(await keyring.status()).toMatchObject({ progress: 1, nonce });
    keyring.resetUnseal();
    expect(await keyring.status()).toMatchObject({ progress: 0, nonce: '' });
    await keyring.unseal(one);
    expect((await keyring.status()).nonce).not.toBe(nonce);
    expect(await keyring.unseal(two, (await keyring.status()).nonce)).toBe(true);
  });

  it('opens once when the last share comes twice at the same time, and stays open when asked again', async () => {
    const { shares } = await initialise(3, 2);
    await unsealWith(keyring, shares.slice(0, 1));
    const both = shares.slice(1).map((share) => keyring.unseal(share));

    expect(await Promise.all(both)).toContain(true);

    expect(await keyring.status()).toMatchObject({ sealed: false, progress: 0 });
    const canary = await writeCanary(keyring);
    await keyring.open();
    const again = { shares: { shares: 2, threshold: 2 }, replaceUnused: true };
    await expect(keyring.initialise(again)).rejects.toEqual(code('keyring.initialised'));
    await keyring.rotateRoot({ kind: 'person', id: 'psn_admin' });
    expect(await readCanary(keyring, canary)).toBe('sings');
    await keyring.seal();
    expect(await unsealWith(keyring, shares)).toBe(true);
  });

  it('keeps the shares of its caller as they are', async () => {
    const { shares } = await initialise(1, 1);
    const [only] = shares;

    expect(await unsealWith(keyring, shares)).toBe(true);

    expect(only?.expose().some((byte) => byte !== 0)).toBe(true);
  });

  it('refuses `open`, a second `initialise`, a recovery key, and splits that cannot be', async () => {
    await expect(keyring.open()).rejects.toEqual(code('keyring.needs_shares'));
    await expect(keyring.initialise({})).rejects.toEqual(code('keyring.needs_shares'));
    await expect(keyring.unseal(strangeShare(1))).rejects.toEqual(code('keyring.not_initialised'));
    const split = { shares: 3, threshold: 2 };
    await expect(keyring.initialise({ shares: split, recovery: split })).rejects.toEqual(
      code('keyring.needs_shares'),
    );
    await expect(initialise(2, 3)).rejects.toEqual(code('keyring.shares'));
    expect((await keyring.status()).initialised).toBe(false);
    await initialise(3, 2);

    await expect(initialise(3, 2)).rejects.toEqual(code('keyring.initialised'));
    await expect(keyring.open()).rejects.toEqual(code('keyring.needs_shares'));
  });

  it('may be initialised again as long as nothing is encrypted: who lost the answer has no shares', async () => {
    const lost = await initialise(3, 2);
    const again = await keyring.initialise({ shares: { shares: 2, threshold: 2 }, replaceUnused: true });

    await expect(unsealWith(keyring, lost.shares.slice(0, 2))).rejects.toEqual(code('keyring.shares_wrong'));
    expect(await unsealWith(keyring, again.shares)).toBe(true);
    const canary = await writeCanary(keyring);
    await keyring.seal();
    const third = keyring.initialise({ shares: { shares: 2, threshold: 2 }, replaceUnused: true });
    await expect(third).rejects.toEqual(code('keyring.initialised'));
    await unsealWith(keyring, again.shares);
    expect(await readCanary(keyring, canary)).toBe('sings');
    expect(stage.audit.events.map(({ type, resource }) => `${type} ${resource}`).slice(0, 3)).toEqual([
      'keyring.root.created root-key/1',
      'keyring.root.retired root-key/1',
      'keyring.root.created root-key/2',
    ]);
  });

  it('rotates its root online, and the same shares open the new one', async () => {
    const { shares } = await initialise(3, 2);
    await unsealWith(keyring, shares);
    const canary = await writeCanary(keyring);
    await keyring.rotateRoot({ kind: 'person', id: 'psn_admin' });
    await keyring.close();
    keyring = stage.keyring(shareSeal());

    await unsealWith(keyring, shares.slice(1));

    expect(await readCanary(keyring, canary)).toBe('sings');
    expect((await keyring.status()).rootVersion).toBe(2);
  });

  it('stays closed when it is sealed while the last share is on its way', async () => {
    const { shares } = await initialise(2, 2);
    await unsealWith(keyring, shares.slice(0, 1));
    const last = unsealWith(keyring, shares.slice(1)).catch(() => false);
    await keyring.seal();

    expect(await last).toBe(false);
    expect((await keyring.status()).sealed).toBe(true);
    keyring.resetUnseal();
    expect(await unsealWith(keyring, shares)).toBe(true);
  });

  it('does not open with a sealed root whose split or bytes were changed in the database', async () => {
    const { shares } = await initialise(5, 3);
    for (const at of [0, 1, 2, 3, 18, 19, 40, 78]) {
      const flip = `update keyring_root set sealed = set_byte(sealed, ${at}, get_byte(sealed, ${at}) # 1)`;
      await stage.execute(flip);
      keyring.resetUnseal();
      await expect(unsealWith(keyring, shares)).rejects.toMatchObject({ name: 'Fault' });
      expect((await keyring.status()).sealed).toBe(true);
      await stage.execute(flip);
    }
    keyring.resetUnseal();
    expect(await unsealWith(keyring, shares)).toBe(true);
  });
});

describe('a keyring with a seal that a machine opens', () => {
  it('is open after `initialise`, and gives recovery shares that a quorum can prove with', async () => {
    keyring = stage.keyring(memorySeal('memory'));
    const { shares, recoveryShares } = await keyring.initialise({ recovery: { shares: 3, threshold: 2 } });

    expect(shares).toEqual([]);
    expect(await keyring.status()).toMatchObject({
      sealed: false,
      byShares: false,
      shares: 3,
      threshold: 2,
      seal: 'memory',
    });
    const quorum = keyring.quorum();
    const { nonce, required } = await quorum.start();
    expect(required).toBe(2);
    await expect(quorum.start()).rejects.toEqual(code('keyring.ceremony_runs'));
    const [one, two] = recoveryShares;
    if (one === undefined || two === undefined) throw new Error('expected shares');
    expect(await quorum.add(one, nonce)).toBe(false);
    expect(await quorum.add(two, nonce)).toBe(true);
    await expect(quorum.add(one, nonce)).rejects.toEqual(code('keyring.no_ceremony'));
    const second = await quorum.start();
    await quorum.add(one, second.nonce);
    await expect(quorum.add(strangeShare(2), second.nonce)).rejects.toEqual(code('keyring.shares_wrong'));
    expect(await quorum.status()).toMatchObject({ started: false, progress: 0 });
  });

  it('stays closed when it is sealed while its seal is being asked', async () => {
    const memory = memorySeal('memory');
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    let slow = false;
    const unwrap = async (sealed: Uint8Array): Promise<SecretBytes> => {
      asked.resolve();
      if (slow) await answer.promise;
      return memory.unwrap(sealed);
    };
    keyring = stage.keyring({ ...memory, unwrap });
    await keyring.open();
    await keyring.seal();
    slow = true;
    const opening = expect(keyring.open()).rejects.toEqual(code('keyring.closed'));
    await asked.promise;
    await keyring.seal();
    answer.resolve();

    await opening;
    expect((await keyring.status()).sealed).toBe(true);
    await expect(keyring.cipher(scope)).rejects.toEqual(code('keyring.closed'));
  });

  it('lets nobody prove anything when nobody holds a share', async () => {
    keyring = stage.keyring(memorySeal('memory'));
    await keyring.open();

    await expect(keyring.quorum().start()).rejects.toEqual(code('keyring.needs_shares'));
    await expect(keyring.unseal(strangeShare(1))).resolves.toBe(true);
    await keyring.seal();
    await expect(keyring.unseal(strangeShare(1))).rejects.toEqual(code('keyring.opens_itself'));
    await expect(keyring.initialise({ shares: { shares: 1, threshold: 1 } })).rejects.toEqual(
      code('keyring.opens_itself'),
    );
  });

  it('keeps its recovery key over a rotation of the root, and does not open one whose row was changed', async () => {
    keyring = stage.keyring(memorySeal('memory'));
    const { recoveryShares } = await keyring.initialise({ recovery: { shares: 2, threshold: 2 } });
    await keyring.rotateRoot({ kind: 'person', id: 'psn_admin' });
    const prove = async (): Promise<boolean> => {
      const quorum = keyring.quorum();
      const { nonce } = await quorum.start();
      let proven = false;
      for (const share of recoveryShares) {
        proven = await quorum.add(share, nonce);
      }
      return proven;
    };

    expect(await prove()).toBe(true);
    await stage.execute('update keyring_recovery set shares = 7');
    await expect(prove()).rejects.toEqual(code('keyring.decrypt_failed'));
  });
});
