/** At most `limit` pieces of work at once; the others wait their turn, first come first served. */
export interface Permits {
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createPermits(limit: number): Permits {
  let busy = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (busy >= limit) await new Promise<void>((go) => waiting.push(go));
      else busy++;
      try {
        return await work();
      } finally {
        // The permit is handed on without being given back, so no newcomer overtakes.
        const next = waiting.shift();
        if (next === undefined) busy--;
        else next();
      }
    },
  };
}
