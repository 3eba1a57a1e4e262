import { generateKeyPairSync } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import type { KeyJob } from './key-jobs.ts';
import { createKeyThread } from './key-thread.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const digest = Buffer.alloc(32, 1);
const job: KeyJob = { do: 'ecdsa-sign', key: privateKey, curve: 'P-256', digest, form: 'der' };
const thread = createKeyThread(2);
afterAll(() => thread.close());

describe('the key thread', () => {
  it('answers each job with its own result', async () => {
    const [one, two] = await Promise.all([
      thread.compute(job),
      thread.compute({ ...job, digest: Buffer.alloc(32, 2) }),
    ]);
    const check = (signature: Uint8Array) =>
      thread.verify({ do: 'ecdsa-verify', key: publicKey, curve: 'P-256', digest, signature, form: 'der' });

    expect(await check(one)).toBe(true);
    expect(await check(two)).toBe(false);
  });

  it('refuses more than may wait, and takes more when they are done', async () => {
    const first = thread.compute(job);
    const second = thread.compute(job);

    await expect(thread.compute(job)).rejects.toThrow('fewer than 2 private-key operations');
    await Promise.all([first, second]);
    expect((await thread.compute(job)).length).toBeGreaterThan(60);
  });

  it('tells what failed and nothing about why', async () => {
    const wrong: KeyJob = { do: 'rsa-private', key: privateKey, padding: 1, block: digest };

    await expect(thread.compute(wrong)).rejects.toThrow(/^the private-key operation "rsa-private" failed$/);
    expect(await thread.decryptOaep(privateKey, 'sha256', digest)).toBeUndefined();
  });

  it('lets nobody wait for a thread that was ended, and starts another', async () => {
    // It is still starting when it is ended: no job can have been done.
    const young = createKeyThread();
    const lost = expect(young.compute(job)).rejects.toThrow('the thread of private keys ended');
    await young.close();
    await lost;

    expect((await young.compute(job)).length).toBeGreaterThan(60);
    await young.close();
  });
});
