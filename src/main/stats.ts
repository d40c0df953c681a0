import { type CounterName, type Counters, type CounterValues, counterNames } from '../shared/counters.ts';
import type { EngineState } from '../shared/engine-memory.ts';

/** What `engine.stats()` gives. Counters count from the start of the engine; docs/operations.md explains each. */
export interface EngineStats extends Readonly<CounterValues> {
  readonly state: EngineState;
  /** Open connections, now. */
  readonly connections: number;
  /** The same per shard. */
  readonly shards: readonly (Readonly<CounterValues> & { readonly shard: number; readonly connections: number })[];
}

function connectionsOf(values: CounterValues): number {
  return values.connectionsOpened - values.connectionsClosed;
}

/** Reads the counters of all threads, main first, and sums them. */
export function gatherStats(state: EngineState, threads: readonly Counters[]): EngineStats {
  const sums = Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>;
  const each = threads.map((counters) => counters.read());
  for (const values of each) for (const name of counterNames) sums[name] += values[name];
  const shards = each.slice(1).map((values, shard) => ({ shard, connections: connectionsOf(values), ...values }));
  return { state, connections: connectionsOf(sums), ...sums, shards };
}
