import { Fault } from '@sallyport/formats';

/** Does one durable write for all who ask while the one before runs. */
export interface Batches<T, R> {
  add(item: T): Promise<R>;
}

/**
 * `work` gives one result per item, in their order; when it throws, all of its items fail. Beyond `maxWaiting` items
 * nobody is taken in any more, so that a flood costs refusals and not memory.
 */
export function createBatches<T, R>(
  maxItems: number,
  maxWaiting: number,
  work: (items: readonly T[]) => Promise<readonly R[]>,
): Batches<T, R> {
  let waiting: { item: T; resolve: (result: R) => void; reject: (error: unknown) => void }[] = [];
  let running = false;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, maxItems);
      waiting = waiting.slice(maxItems);
      try {
        const results = await work(batch.map(({ item }) => item));
        for (const [i, { resolve, reject }] of batch.entries()) {
          const result = results[i];
          if (result === undefined) reject(new Fault('internal', 'rekor.batch', 'a result is missing'));
          else resolve(result);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running = false;
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= maxWaiting) {
          reject(
            new Fault(
              'unavailable',
              'rekor.busy',
              `expected fewer than ${maxWaiting} entries waiting, got as many`,
              {
                hint: 'try again in a second',
              },
            ),
          );
          return;
        }
        waiting.push({ item, resolve, reject });
        if (running) return;
        running = true;
        // After the requests of this turn, so that they share the first write.
        setImmediate(() => void drain());
      }),
  };
}
