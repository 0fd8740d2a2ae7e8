// A queue between one who puts and one who takes, both at their own pace. It has no bound of its own.

export type Channel<T> = {
  readonly put: (item: T) => void;
  /** The oldest that was not taken yet, as soon as there is one. One taker at a time. */
  readonly take: () => Promise<T>;
};

export function createChannel<T>(): Channel<T> {
  const items: T[] = [];
  let waiting: ((item: T) => void) | undefined;
  return {
    put(item) {
      if (waiting === undefined) {
        items.push(item);
        return;
      }
      const give = waiting;
      waiting = undefined;
      give(item);
    },
    take() {
      const [oldest] = items.splice(0, 1);
      if (oldest !== undefined) return Promise.resolve(oldest);
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
  };
}
