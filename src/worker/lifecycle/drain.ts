import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ThreadBus } from '../../shared/bus/thread-bus.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';

const tickMs = 20;
const smallestBatch = 100;
/** Time for the last Close frames to be answered before sockets are cut. */
const lingerMs = 100;
const lastRounds = 10_000;
/** Turns of the loop after which the transport has written everything that was published before. */
const turnsToWrite = 4;

const idleLookMs = 2;

/** Resolves once `isIdle`, or at `deadline` (as `performance.now()`). False: it is not. */
export async function whenIdle(isIdle: () => boolean, deadline: number): Promise<boolean> {
  while (!isIdle()) {
    if (performance.now() >= deadline) return false;
    await sleep(idleLookMs);
  }
  return true;
}

/**
 * Closes every connection with `code`, in batches spread over half of the grace period, so that they do not all come
 * back elsewhere in one moment. What was published before is delivered first.
 */
export async function drainConnections(
  connections: ReadonlyMap<string, ShardConnection>,
  graceMs: number,
  bus: ThreadBus,
  { code, reason }: { readonly code: number; readonly reason: string },
): Promise<void> {
  bus.readRings(lastRounds);
  // The transport gathers what is published in a turn. Only when that is written does `bufferedBytes` count it.
  for (let turn = 0; turn < turnsToWrite; turn++) await nextTurn();
  const deadline = performance.now() + graceMs;
  const ticks = Math.max(1, Math.floor(graceMs / 2 / tickMs));
  const batch = Math.max(smallestBatch, Math.ceil(connections.size / ticks));
  const hasClients = connections.size > 0;
  do {
    const last = performance.now() + tickMs >= deadline;
    let closed = 0;
    for (const connection of [...connections.values()]) {
      // A client that has not read everything yet has until the last tick.
      if (connection.bufferedBytes > 0 && !last) continue;
      connection.close(code, reason);
      closed += 1;
      if (closed === batch && !last) break;
    }
    if (connections.size > 0) await sleep(tickMs);
  } while (connections.size > 0 && performance.now() < deadline);
  // Connections may be left over, if the last batch took longer than a tick.
  for (const connection of [...connections.values()]) connection.close(code, reason);
  if (hasClients) await sleep(Math.min(lingerMs, Math.max(0, deadline - performance.now())));
}
