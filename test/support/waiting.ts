/** How long anything that must happen may take on a slow machine that other programs share. A bound, never a measurement. */
export const patienceMs = 120_000;

/** Rejects if `promise` does not settle in time. */
export async function within<T>(promise: Promise<T>, what: string, timeoutMs: number = patienceMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms for ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks every few milliseconds until `check` gives something other than false or undefined. */
export async function until<T>(
  check: () => T | Promise<T>,
  what: string,
  timeoutMs: number = patienceMs,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = await check();
    if (result !== false && result !== undefined) return result as Exclude<T, false | undefined>;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * The values of a list for as long as there is time, and the first two in any case: for tests that start something anew
 * for each, which takes a slow machine very long.
 */
export function* inTime<T>(values: Iterable<T>, timeMs: number = 180_000): Generator<T> {
  const deadline = performance.now() + timeMs;
  let count = 0;
  for (const value of values) {
    if (count >= 2 && performance.now() > deadline) return;
    count += 1;
    yield value;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wakes whoever waits for a state that events change. */
export class Signal {
  readonly #waiting = new Set<() => void>();

  /** Call it after every change. */
  notify(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** The first result of `check` that is not undefined; what it throws rejects. */
  wait<T>(check: () => T | undefined, what: () => string, timeoutMs: number = patienceMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        try {
          const result = check();
          if (result === undefined) return;
          finish();
          resolve(result);
        } catch (error) {
          finish();
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`waited ${timeoutMs} ms for ${what()}`));
      }, timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }
}
