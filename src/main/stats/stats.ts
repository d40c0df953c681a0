import { type CounterName, Counters, type CounterValues, counterNames } from '../../shared/memory/counters.ts';
import { type EngineMemory, type EngineState, shardOfThread } from '../../shared/memory/engine-memory.ts';
import { type ThreadState, Vitals, type VitalValues } from '../../shared/memory/vitals.ts';
import { ringDepth } from '../../shared/ring/index.ts';

/** One thread of an engine: main or a shard. */
export interface ThreadStats extends Readonly<CounterValues> {
  /** What the thread says of itself. */
  readonly state: ThreadState;
  /** Open connections, now. */
  readonly connections: number;
  /** Since the thread's start; 0 once it has ended. */
  readonly uptimeMs: number;
  /**
   * How old `loopDelay` and `heapUsedBytes` are: they are written about once a second. A thread whose loop is blocked writes
   * nothing, so that more than a few seconds tell of a thread that hangs. 0 once it has ended.
   */
  readonly reportAgeMs: number;
  /** How much later than asked for the thread's loop came to its timers, in the second before the report. */
  readonly loopDelay: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  readonly heapUsedBytes: number;
  /** How large the heap of what stays may become; beyond it the runtime ends the process. */
  readonly heapLimitBytes: number;
  /** Bytes in the thread's ring that the slowest of its readers has yet to read. */
  readonly ringDepthBytes: number;
  /**
   * Ends of connections by close code, whoever closed. A client may send any code: those that RFC 6455, its registry and
   * the engine do not know are counted as `1xxx`, `3xxx`, `4xxx` or `other`. Only what happened is there.
   */
  readonly closes: Readonly<Record<string, number>>;
  /** What `handlerErrors` is made of: by handler, or by the part of the engine that failed. Only what happened is there. */
  readonly handlerErrorsBy: Readonly<Record<string, number>>;
  /**
   * What `handshakesRefused` is made of: by error code; `reject` for answers that an `upgrade` handler made itself. Only
   * what happened is there.
   */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface ShardStats extends ThreadStats {
  readonly shard: number;
}

/** The pool of threads for large work. */
export interface OffloadStats {
  /** Jobs that shards have given away and that are not done, wherever they are on their way. */
  readonly depth: number;
  /** Threads that exist now, of at most `offload.threads`. */
  readonly threads: number;
  /** Jobs that a thread is busy with, and those that wait for one. */
  readonly running: number;
  readonly queue: number;
}

/**
 * What `engine.stats()` gives: sums over all threads, then each thread. Counters count from the start of the engine;
 * docs/operations.md explains each.
 */
export interface EngineStats extends Readonly<CounterValues> {
  readonly state: EngineState;
  /** Open connections, now. */
  readonly connections: number;
  readonly closes: Readonly<Record<string, number>>;
  readonly handlerErrorsBy: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, number>>;
  /** Resident memory of the whole process; the last value known where the system does not tell, as without descriptors. */
  readonly residentBytes: number;
  readonly offload: OffloadStats;
  readonly main: ThreadStats;
  readonly shards: readonly ShardStats[];
}

export interface StatsSource {
  readonly state: EngineState;
  readonly memory: EngineMemory;
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

/** On Linux this opens a file, which fails when the process has no descriptor left: just when figures are needed. */
function residentBytes(): number {
  try {
    lastResidentBytes = process.memoryUsage.rss();
  } catch {
    // The last one will do.
  }
  return lastResidentBytes;
}

/** Reads the memory of all threads, main first, and sums it. Never throws. */
export function gatherStats({ state, memory, offload }: StatsSource): EngineStats {
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
    offload,
    main,
    shards: others.map((thread, index) => ({ shard: shardOfThread(index + 1), ...thread })),
  };
}
