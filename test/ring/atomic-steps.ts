/**
 * Runs `body` and calls `other` before and after every atomic operation in it, with the number of the step; answers how
 * many there were. These are the moments at which another thread can see a difference, so what `other` does to the ring
 * is what another thread may do there. `other` is not interrupted itself, unless it is `reentrant`.
 */
export function atEveryAtomicStep(body: () => void, other: (step: number) => void, reentrant = false): number {
  const original = { load: Atomics.load, store: Atomics.store, compareExchange: Atomics.compareExchange };
  let steps = 0;
  let inside = false;
  const pass = (): void => {
    if (inside) return;
    inside = !reentrant;
    other(steps++);
    inside = false;
  };
  for (const [name, operation] of Object.entries(original)) {
    Reflect.set(Atomics, name, (...operands: unknown[]): unknown => {
      pass();
      const result: unknown = Reflect.apply(operation, Atomics, operands);
      pass();
      return result;
    });
  }
  try {
    body();
  } finally {
    Object.assign(Atomics, original);
  }
  return steps;
}
