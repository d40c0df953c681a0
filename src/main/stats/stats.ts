import type { TransportFacts } from '../../shared/config/config.ts';
import { type CounterName, Counters, type CounterValues, counterNames } from '../../shared/memory/counters.ts';
import { type EngineMemory, type EngineState, shardOfThread } from '../../shared/memory/engine-memory.ts';
import { type ThreadState, Vitals, type VitalValues } from '../../shared/memory/vitals.ts';
import { ringDepth } from '../../shared/ring/index.ts';

/** One thread of an engine: main or a shard. */
export interface ThreadStats extends Readonly<CounterValues> {
  /** The state that the thread reports. */
  readonly state: ThreadState;
  /** Open connections, now. */
  readonly connections: number;
  /** Since the thread's start; 0 once it has ended. */
  readonly uptimeMs: number;
  /**
   * Age of `loopDelay` and `heapUsedBytes`, which are written about once a second. A blocked thread writes nothing, so
   * an age of more than a few seconds shows a thread that hangs. 0 once the thread has ended.
   */
  readonly reportAgeMs: number;
  /** How late the thread's loop ran its timers, in the second before the report. */
  readonly loopDelay: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  readonly heapUsedBytes: number;
  /** Limit for the thread's long-lived objects; beyond it the runtime ends the process. */
  readonly heapLimitBytes: number;
  /** Bytes in the thread's ring that its slowest reader has not read yet. */
  readonly ringDepthBytes: number;
  /**
   * Ends of connections by close code, whichever side closed. A client may send any code: codes that RFC 6455, its
   * registry and the engine do not know count as `1xxx`, `3xxx`, `4xxx` or `other`. Counters at 0 are left out.
   */
  readonly closes: Readonly<Record<string, number>>;
  /** The parts of `handlerErrors`: by handler, or by the part of the engine that failed. Counters at 0 are left out. */
  readonly handlerErrorsBy: Readonly<Record<string, number>>;
  /**
   * The parts of `handshakesRefused`: by error code; `reject` for answers that an `upgrade` handler made itself.
   * Counters at 0 are left out.
   */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface ShardStats extends ThreadStats {
  readonly shard: number;
}

/** The pool of threads for large work. */
export interface OffloadStats {
  /** Jobs that shards have given to the pool and that are not done. */
  readonly depth: number;
  /** Threads that exist now, at most `offload.threads`. */
  readonly threads: number;
  /** Jobs that a thread is doing, and jobs that wait for a thread. */
  readonly running: number;
  readonly queue: number;
}

/**
 * The result of `engine.stats()`: sums over all threads, then each thread. Counters count from the engine's start;
 * docs/operations.md explains each.
 */
export interface EngineStats extends Readonly<CounterValues> {
  readonly state: EngineState;
  /** Open connections, now. */
  readonly connections: number;
  readonly closes: Readonly<Record<string, number>>;
  readonly handlerErrorsBy: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, number>>;
  /**
   * Resident memory of the whole process. Where the system does not tell, as without free descriptors, it is the last
   * known value.
   */
  readonly residentBytes: number;
  /** What serves the sockets, and why; null: no shard is ready yet. */
  readonly transport: TransportFacts | null;
  readonly offload: OffloadStats;
  readonly main: ThreadStats;
  readonly shards: readonly ShardStats[];
}

export interface StatsSource {
  readonly state: EngineState;
  readonly memory: EngineMemory;
  readonly transport: TransportFacts | null;
  readonly offload: OffloadStats;
}

function threadStats(counters: CounterValues, vitals: VitalValues, ringDepthBytes: number, now: number): ThreadStats {
  const { state, startedAt, reportedAt, loopP50Ms, loopP99Ms, loopMaxMs, heapUsedBytes, heapLimitBytes, ...counted } =
    vitals;
  const lives = state !== 'ended' && startedAt > 0;
  return {
    ...counters,
    ...counted,
    state,
    connections: counters.connectionsOpened - counters.connectionsClosed,
    uptimeMs: lives ? Math.max(0, now - startedAt) : 0,
    reportAgeMs: lives ? Math.max(0, now - reportedAt) : 0,
    loopDelay: { p50Ms: loopP50Ms, p99Ms: loopP99Ms, maxMs: loopMaxMs },
    heapUsedBytes,
    heapLimitBytes,
    ringDepthBytes,
  };
}

function sumByName(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of all) for (const [name, value] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + value;
  return sums;
}

let lastResidentBytes = 0;

/**
 * On Linux this opens a file. That fails when the process has no free descriptor, which is when the figures are needed
 * most.
 */
function residentBytes(): number {
  try {
    lastResidentBytes = process.memoryUsage.rss();
  } catch {
    // Keep the last value.
  }
  return lastResidentBytes;
}

/** Reads the memory of all threads, main first, and sums it. Never throws. */
export function gatherStats({ state, memory, transport, offload }: StatsSource): EngineStats {
  const now = Date.now();
  const each = memory.rings.map((ring, thread) => {
    const counters = new Counters(memory, thread).read();
    return threadStats(counters, new Vitals(memory, thread).read(), ringDepth(ring), now);
  });
  const [main, ...others] = each;
  if (main === undefined) throw new RangeError('an engine has at least a main thread');
  const sums = Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>;
  for (const values of each) for (const name of counterNames) sums[name] += values[name];
  return {
    ...sums,
    state,
    connections: sums.connectionsOpened - sums.connectionsClosed,
    closes: sumByName(each.map((thread) => thread.closes)),
    handlerErrorsBy: sumByName(each.map((thread) => thread.handlerErrorsBy)),
    refusals: sumByName(each.map((thread) => thread.refusals)),
    residentBytes: residentBytes(),
    transport,
    offload,
    main,
    shards: others.map((thread, index) => ({ shard: shardOfThread(index + 1), ...thread })),
  };
}
