import type { OffloadOutcome } from '#dist/shared/config/offload.js';
import { EngineError } from '#dist/shared/errors/index.js';

/** What a job does to the pool's thread that runs it. In a shard, all but `refuse` and `throw` just turn the bytes. */
export type Deed =
  | 'turn'
  /** Answers with a view of the job's own source. */
  | 'view'
  /** Answers with bytes in memory that other buffers use as well. */
  | 'pooled'
  | 'refuse'
  | 'throw'
  | 'exit'
  | 'spin'
  /** Waits until `gate` is opened. */
  | 'hold'
  /** Turns the bytes, and throws later, when nobody looks and `gate` is open. */
  | 'stray';

export interface TestJob {
  readonly deed: Deed;
  readonly source: Uint8Array;
  readonly gate: Int32Array;
}

const openGate = newGate();
letPass(openGate);

export function newGate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

export function letPass(gate: Int32Array): void {
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
}

/** A job with bytes of its own, in shared memory. */
export function jobOf(deed: Deed, seed = 1, length = 64, gate: Int32Array = openGate): TestJob {
  const source = new Uint8Array(new SharedArrayBuffer(length));
  for (let i = 0; i < length; i++) source[i] = seed * 31 + i * 7;
  return { deed, source, gate };
}

export function turned(source: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(source.length);
  for (let i = 0; i < source.length; i++) bytes[i] = (source[i] ?? 0) ^ 0xa5;
  return bytes;
}

/** Does a job as a shard does. */
export function performHere(job: TestJob): Uint8Array {
  if (job.deed === 'refuse') throw new EngineError('ERR_FORBIDDEN', 'this job is refused');
  if (job.deed === 'throw') throw new TypeError('this job throws');
  return turned(job.source);
}

export function isRight(job: TestJob, outcome: OffloadOutcome): boolean {
  if (job.deed === 'refuse') return !outcome.ok && outcome.code === 'ERR_FORBIDDEN';
  if (job.deed === 'throw') return !outcome.ok && outcome.code === 'ERR_INTERNAL';
  if (!outcome.ok) return false;
  const expected = job.deed === 'view' || job.deed === 'pooled' ? new Uint8Array(job.source) : turned(job.source);
  return Buffer.compare(outcome.bytes, expected) === 0;
}
