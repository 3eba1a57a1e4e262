/** Small files that are being written while the archive is read on. */
export interface Writing {
  /** Takes a write; waits while too many are under way. */
  add(write: () => Promise<void>): Promise<void>;
  /** Resolves when all are written; throws what one of them threw. */
  done(): Promise<void>;
  /** Resolves when nothing is under way any more, whatever became of it. */
  settled(): Promise<void>;
}

const writesAtOnce = 16;

export function createWriting(): Writing {
  const pending = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const check = (): void => {
    if (failure !== undefined) throw failure.error;
  };
  return {
    async add(write) {
      while (pending.size >= writesAtOnce) await Promise.race(pending);
      check();
      const one: Promise<void> = write()
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => pending.delete(one));
      pending.add(one);
    },
    async done() {
      await Promise.all(pending);
      check();
    },
    async settled() {
      await Promise.all(pending);
    },
  };
}
