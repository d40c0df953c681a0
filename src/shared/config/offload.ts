import { EngineError, type ErrorCode, errorText } from '../errors/index.ts';

/** The pool that does large jobs for the shards. */
export interface OffloadConfig {
  /** The most threads that the pool has. 0: shards do all jobs themselves. */
  readonly threads: number;
  /** The most jobs of all shards that wait or run at once. */
  readonly maxQueue: number;
  /** After this long without an answer, a shard does the job itself. */
  readonly timeoutMs: number;
  /** Least size in bytes of a job that is sent to the pool. */
  readonly thresholdBytes: {
    readonly seal: number;
    readonly open: number;
    readonly deflate: number;
    readonly inflate: number;
  };
}

/** Shard to main. The source of the job should be in shared memory: it is not copied, and it survives a thread's end. */
export interface OffloadRequest<J> {
  readonly id: number;
  readonly job: J;
}

/** How a job ended. A refusal, such as for a wrong signature, is an outcome too. */
export type OffloadOutcome =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: ErrorCode; readonly text: string };

/** Whether a value that came from another thread is an outcome. */
export function isOutcome(value: unknown): value is OffloadOutcome {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return false;
  if (value.ok === true) return 'bytes' in value && value.bytes instanceof Uint8Array;
  return value.ok === false && 'code' in value && typeof value.code === 'string';
}

/** Main to shard. `outcome` null: the pool could not do the job, and the shard must do it. */
export interface OffloadAnswer {
  readonly id: number;
  readonly outcome: OffloadOutcome | null;
}

/** Does a job in this thread. Never throws. */
export function performJob<J>(perform: (job: J) => Uint8Array, job: J): OffloadOutcome {
  try {
    return { ok: true, bytes: perform(job) };
  } catch (error) {
    // `instanceof` works here: the error was thrown in this thread. Errors of other libraries have codes of their own.
    const code = error instanceof EngineError ? error.code : 'ERR_INTERNAL';
    return { ok: false, code, text: errorText(error) };
  }
}

/** What may be moved instead of copied when an outcome is posted: its bytes, if nothing else is in their buffer. */
export function outcomeTransfer(outcome: OffloadOutcome | null): ArrayBuffer[] {
  if (outcome?.ok !== true) return [];
  const { buffer, byteLength } = outcome.bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
