import { randomBytes, scryptSync } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { createPasswords, type PasswordRecord } from './passwords.ts';

const secret = (text: string) => SecretBytes.fromUtf8(text);
/** Low, so that the tests are about rules and not about waiting. */
const cost = { cost: 2 ** 12, blockSize: 8, parallelization: 1 };
const passwords = createPasswords({ randomBytes, cost });

describe('a password', () => {
  it('is known again, and no other is', async () => {
    const record = await passwords.hash(secret('correct horse'));

    expect(await passwords.verify(record, secret('correct horse'))).toBe(true);
    for (const other of ['correct hors', 'correct horse ', 'Correct horse', '', '\0'])
      expect(await passwords.verify(record, secret(other))).toBe(false);
  });

  it('has a salt of its own and stands nowhere in its record', async () => {
    const [one, two] = await Promise.all([
      passwords.hash(secret('hunter2')),
      passwords.hash(secret('hunter2')),
    ]);

    expect(one.salt).not.toBe(two.salt);
    expect(one.hash).not.toBe(two.hash);
    expect(JSON.stringify(one)).not.toContain('hunter2');
  });

  it('is hashed as RFC 7914 says', async () => {
    // RFC 7914 section 12, third test vector, cut to the 32 bytes that a record holds: scrypt's last step is PBKDF2
    // with SHA-256, whose first block does not depend on the length asked for.
    const record: PasswordRecord = {
      algorithm: 'scrypt',
      cost: 16384,
      blockSize: 8,
      parallelization: 1,
      salt: Buffer.from('SodiumChloride').toString('base64'),
      hash: Buffer.from('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2', 'hex').toString(
        'base64',
      ),
    };

    expect(await passwords.verify(record, secret('pleaseletmein'))).toBe(true);
    expect(await passwords.verify(record, secret('pleaseletmeout'))).toBe(false);
  });

  it('of nobody takes as long as one of somebody, and is never right', async () => {
    const slower = createPasswords({
      randomBytes,
      cost: { cost: 2 ** 13, blockSize: 8, parallelization: 1 },
    });
    const record = await slower.hash(secret('a'));
    const time = async (of: PasswordRecord | undefined) => {
      const started = performance.now();
      expect(await slower.verify(of, secret('b'))).toBe(false);
      return performance.now() - started;
    };
    const times: Array<readonly [nobody: number, somebody: number]> = [];
    // In turns, so that both meet the same load of the machine.
    for (let i = 0; i < 9; i++) times.push([await time(undefined), await time(record)]);

    const ratios = times.map(([nobody, somebody]) => nobody / somebody).sort((a, b) => a - b);

    expect(ratios[4]).toBeGreaterThan(0.4);
    expect(ratios[4]).toBeLessThan(2.5);
  });

  it('is hashed with the bytes of its text and in whole', async () => {
    const long = 'ä'.repeat(500);
    const real = createPasswords({ randomBytes });
    const record = await real.hash(secret(long));
    const { salt, hash, cost: N, blockSize: r, parallelization: p } = record;

    expect(hash).toBe(
      scryptSync(long, Buffer.from(salt, 'base64'), 32, { N, r, p, maxmem: 2 ** 26 }).toString('base64'),
    );
    expect(await real.verify(record, secret(`${long.slice(0, -1)}a`))).toBe(false);
  });

  it('has a bounded length', async () => {
    const record = await passwords.hash(secret('a'));
    const huge = SecretBytes.from(new Uint8Array(1025));

    await expect(passwords.hash(huge)).rejects.toThrow(/at most 1024 bytes/);
    await expect(passwords.hash(secret(''))).rejects.toThrow(/missing password/);
    expect(await passwords.verify(record, huge)).toBe(false);
  });

  it.each([
    { cost: 2 ** 20, blockSize: 8, parallelization: 1 },
    { cost: 2 ** 15, blockSize: 8, parallelization: 1000 },
    { cost: -1, blockSize: 8, parallelization: 1 },
    { cost: 1.5, blockSize: 8, parallelization: 1 },
    { hash: 'AAAA' },
  ])('with a record out of bounds is refused: %j', async (change) => {
    const record = { ...(await passwords.hash(secret('a'))), ...change };

    await expect(passwords.verify(record, secret('a'))).rejects.toThrow(
      expect.objectContaining({ kind: 'integrity', code: 'vault.password_record' }),
    );
  });
});

describe('a flood of logins', () => {
  it('is refused beyond the queue, and all who wait are served', async () => {
    const few = createPasswords({ randomBytes, cost, atOnce: 1, waiting: 3 });
    const record = await few.hash(secret('a'));

    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => few.verify(record, secret('a'))),
    );

    const served = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(served.map(({ value }) => value)).toEqual([true, true, true, true]);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ kind: 'exhausted', code: 'vault.logins' });
    }
    expect(await few.verify(record, secret('a'))).toBe(true);
  });

  it('does not stop the main thread', async () => {
    const costly = createPasswords({ randomBytes, cost: { ...cost, cost: 2 ** 14 } });
    const record = await costly.hash(secret('a'));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const logins = Array.from({ length: 6 }, () => costly.verify(record, secret('a')));
    await Promise.all(logins);
    clearInterval(timer);

    expect(ticks).toBeGreaterThan(10);
  });

  it('gives its place on when one of them fails', async () => {
    const few = createPasswords({ randomBytes, cost, atOnce: 1, waiting: 1 });
    const wiped = secret('a');
    wiped.wipe();
    const record = await few.hash(secret('a'));

    const outcomes = await Promise.allSettled([few.verify(record, wiped), few.verify(record, secret('a'))]);

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });
});
