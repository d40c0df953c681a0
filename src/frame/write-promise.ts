import { EngineError } from '../shared/errors/index.ts';

interface Pending {
  readonly promise: Promise<void>;
  readonly resolve: (after?: Promise<void>) => void;
  readonly reject: (error: EngineError) => void;
}

export function pending(): Pending {
  let resolve: Pending['resolve'] = () => {};
  let reject: Pending['reject'] = () => {};
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

/** A promise whose rejection need not be looked at: a call that nobody waits for must not end the process. */
export function observed(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}

export function refused(error: unknown): Promise<void> {
  return observed(Promise.reject(error));
}

/** The error for a write whose bytes the stream did not take. */
export function lost(cause: unknown): EngineError {
  return new EngineError('ERR_FRAME_CONNECTION_LOST', 'the connection was lost before this was written', { cause });
}
