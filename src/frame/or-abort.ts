/** Settles with `promise`, or rejects when `signal` is aborted; what comes later goes to `late`. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal, late: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    promise
      .then((value) => {
        if (signal.aborted) late(value);
        resolve(value);
      })
      .catch(reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}
