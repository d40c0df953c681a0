import { getHeapStatistics } from 'node:v8';
import { type Counters, counter } from '../shared/counters.ts';
import type { EngineMemory } from '../shared/engine-memory.ts';
import { Ticks, tickMs } from '../shared/ticks.ts';

const heapLookMs = 1_000;

export interface VitalsOptions {
  readonly shard: number;
  readonly memory: EngineMemory;
  readonly counters: Counters;
  /** Null: nobody looks whether the loop turns. */
  readonly watchdog: { readonly stalledMs: number } | null;
}

/** Shows main, in shared memory, that this thread's loop turns and how large its heap is. Keeps no thread alive. */
export function showVitals({ shard, memory, counters, watchdog }: VitalsOptions): void {
  const look = (): void => counters.set(counter.heapUsedBytes, getHeapStatistics().used_heap_size);
  look();
  setInterval(look, heapLookMs).unref();
  if (watchdog === null) return;
  const ticks = new Ticks(memory);
  setInterval(() => ticks.beat(shard), tickMs(watchdog.stalledMs)).unref();
}
