import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { heapLimitBytes } from '../../shared/memory/heap-limit.ts';
import type { HeapBrakeOptions } from './heap-brake.ts';

type Heap = HeapBrakeOptions['heap'];

/** The runtime's full garbage collection; null: it is not available. */
function findCollect(): (() => void) | null {
  try {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    setFlagsFromString('--no-expose-gc');
    return typeof collect === 'function' ? () => Reflect.apply(collect, undefined, []) : null;
  } catch {
    return null;
  }
}

/** The heap of this thread. */
export function ownHeap(): Heap {
  const collect = findCollect();
  return {
    limitBytes: heapLimitBytes(),
    usedBytes: () => getHeapStatistics().used_heap_size,
    collect,
  };
}

function isMajor(detail: unknown): boolean {
  if (typeof detail !== 'object' || detail === null) return false;
  return Reflect.get(detail, 'kind') === constants.NODE_PERFORMANCE_GC_MAJOR;
}

/** Calls `collected` soon after each full collection. Returns a function that stops this. */
export function watchCollections(collected: () => void): () => void {
  const observer = new PerformanceObserver((list) => {
    if (list.getEntries().some((entry) => isMajor(Reflect.get(entry, 'detail')))) collected();
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
