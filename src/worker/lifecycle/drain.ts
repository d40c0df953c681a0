import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ThreadBus } from '../../shared/bus/thread-bus.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';

const tickMs = 20;
const smallestBatch = 100;
/** Time for the last Close frames to be answered before sockets are cut. */
const lingerMs = 100;
const lastRounds = 10_000;
/** After which all that was published before has been written, see publish-batch.ts. */
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
  // The transport gives the last of it to the socket library, which hands it out a turn later: from then on
  // `bufferedBytes` tells of it.
  for (let turn = 0; turn < turnsToWrite; turn++) await nextTurn();
  const deadline = performance.now() + graceMs;
  const ticks = Math.max(1, Math.floor(graceMs / 2 / tickMs));
  const batch = Math.max(smallestBatch, Math.ceil(connections.size / ticks));
  const told = connections.size > 0;
  do {
    const last = performance.now() + tickMs >= deadline;
    let closed = 0;
    for (const connection of [...connections.values()]) {
      // A client that has not read everything yet gets the time that is left for it.
      if (connection.bufferedBytes > 0 && !last) continue;
      connection.close(code, reason);
      closed += 1;
      if (closed === batch && !last) break;
    }
    if (connections.size > 0) await sleep(tickMs);
  } while (connections.size > 0 && performance.now() < deadline);
  // Whoever is left, after a batch that took longer than thought.
  for (const connection of [...connections.values()]) connection.close(code, reason);
  if (told) await sleep(Math.min(lingerMs, Math.max(0, deadline - performance.now())));
}
