import { describe, expect, it } from 'vitest';
import { type AppendQueue, createAppendQueue } from './append-queue.ts';
import { type AuditBatch, batchOf } from './batch.ts';

/** Writes into memory, each write when the test says so. */
function slowly(): {
  readonly queue: AppendQueue;
  readonly written: AuditBatch[];
  readonly pending: Array<{ readonly end: () => void; readonly fail: (error: Error) => void }>;
} {
  const written: AuditBatch[] = [];
  const pending: Array<{ end: () => void; fail: (error: Error) => void }> = [];
  const queue = createAppendQueue(
    (batch) =>
      new Promise((resolve, reject) => {
        pending.push({
          end: () => {
            written.push(batch);
            resolve();
          },
          fail: reject,
        });
      }),
  );
  return { queue, written, pending };
}

const rounds = async (): Promise<void> => {
  for (let round = 0; round < 5; round += 1) await new Promise((next) => setImmediate(next));
};
const batch = (at: number, text: string): AuditBatch => batchOf(at, [Buffer.from(`${text}\n`)]);

describe('the queue in front of the journal file', () => {
  it('writes together what came during a write, in order, as of the last moment', async () => {
    const { queue, written, pending } = slowly();
    const first = queue.append(batch(1, 'a'));
    await rounds();
    const others = [queue.append(batch(2, 'b')), queue.append(batch(3, 'c'))];
    await rounds();

    expect(pending).toHaveLength(1);
    pending.shift()?.end();
    await first;
    await rounds();
    pending.shift()?.end();
    await Promise.all(others);

    expect(written.map(({ at, lines, body }) => [at, lines, Buffer.from(body).toString()])).toEqual([
      [1, 1, 'a\n'],
      [3, 2, 'b\nc\n'],
    ]);
  });

  it('tells nobody that a batch is durable before its write has ended', async () => {
    const { queue, pending } = slowly();
    let durable = 0;
    for (const text of ['a', 'b', 'c']) void queue.append(batch(1, text)).then(() => (durable += 1));
    await rounds();
    expect(durable).toBe(0);

    pending.shift()?.end();
    await rounds();
    expect(durable).toBe(3);
  });

  it('fails those whose write failed, and goes on with the others', async () => {
    const { queue, written, pending } = slowly();
    const first = queue.append(batch(1, 'a'));
    await rounds();
    const second = queue.append(batch(2, 'b'));
    pending.shift()?.fail(new Error('the disk is full'));

    await expect(first).rejects.toThrow('the disk is full');
    await rounds();
    pending.shift()?.end();
    await second;

    expect(written).toHaveLength(1);
  });

  it('does not let one write grow without bound', async () => {
    const { queue, written, pending } = slowly();
    const large = 'x'.repeat(6 * 1024 * 1024);
    const all = [1, 2, 3, 4].map((at) => queue.append(batch(at, large)));
    for (let write = 0; write < 2; write += 1) {
      await rounds();
      pending.shift()?.end();
    }
    await Promise.all(all);

    expect(written.map(({ lines }) => lines)).toEqual([2, 2]);
  });
});
