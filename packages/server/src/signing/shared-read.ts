/**
 * One read for everybody who asks meanwhile. Nobody is given what was read before they asked, so that a rule that was
 * removed lets nobody in after its removal was answered; and any number of callers cost one read at a time.
 */
export function createSharedRead<T>(load: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const start = (): Promise<T> => {
    const mine = load();
    running = mine;
    const ended = (): void => {
      if (running === mine) running = undefined;
    };
    mine.then(ended, ended);
    return mine;
  };
  return () => {
    if (running === undefined) return start();
    if (next === undefined) {
      const then = (): Promise<T> => {
        next = undefined;
        return start();
      };
      next = running.then(then, then);
    }
    return next;
  };
}
