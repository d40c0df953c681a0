import { EngineError, type ErrorCode, errorText } from '../errors/index.ts';

/** How large work leaves the shards. */
export interface OffloadConfig {
  /** Threads of the pool at most; 0: shards do all work themselves. */
  readonly threads: number;
  /** Jobs of all shards that may be out at once. */
  readonly maxQueue: number;
  /** After this long without an answer, a shard does the job itself. */
  readonly timeoutMs: number;
  /** From how many bytes on a job is worth the way to the pool and back. */
  readonly thresholdBytes: {
    readonly seal: number;
    readonly open: number;
    readonly deflate: number;
    readonly inflate: number;
  };
}

/** Shard to main. The job's source should be a view of shared memory: not copied, and still there if a thread dies. */
export interface OffloadRequest<J> {
  readonly id: number;
  readonly job: J;
}

/** How a job ended. That it refused, such as for a wrong signature, is an end like any other. */
export type OffloadOutcome =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: ErrorCode; readonly text: string };

/** Whether this, which came from another thread, is an outcome. */
export function isOutcome(value: unknown): value is OffloadOutcome {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return false;
  if (value.ok === true) return 'bytes' in value && value.bytes instanceof Uint8Array;
  return value.ok === false && 'code' in value && typeof value.code === 'string';
}

/** Main to shard. `outcome` null: the pool could not do it, for whatever reason; the shard must. */
export interface OffloadAnswer {
  readonly id: number;
  readonly outcome: OffloadOutcome | null;
}

/** Does a job in this thread. Never throws. */
export function performJob<J>(perform: (job: J) => Uint8Array, job: J): OffloadOutcome {
  try {
    return { ok: true, bytes: perform(job) };
  } catch (error) {
    // The class tells here: nothing has crossed a thread yet, and other libraries have codes of their own.
    const code = error instanceof EngineError ? error.code : 'ERR_INTERNAL';
    return { ok: false, code, text: errorText(error) };
  }
}

/** What may be moved instead of copied when an outcome is posted: its bytes, if they have their memory to themselves. */
export function outcomeTransfer(outcome: OffloadOutcome | null): ArrayBuffer[] {
  if (outcome?.ok !== true) return [];
  const { buffer, byteLength } = outcome.bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
