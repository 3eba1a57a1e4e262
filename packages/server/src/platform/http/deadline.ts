/** A time limit that ends with the request. `touch` starts it again, for limits on silence. */
export interface Deadline {
  touch(): void;
  end(): void;
}

export function startDeadline(seconds: number, expired: () => void): Deadline {
  const timer = setTimeout(expired, seconds * 1000);
  let ended = false;
  return {
    touch: () => {
      if (!ended) timer.refresh();
    },
    end: () => {
      ended = true;
      clearTimeout(timer);
    },
  };
}
