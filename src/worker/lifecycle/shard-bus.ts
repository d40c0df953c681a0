import type { DeliveryDispatch } from '../../shared/bus/record-dispatch.ts';
import { ThreadBus } from '../../shared/bus/thread-bus.ts';
import { errorCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { type EngineMemory, mainThread, threadOfShard } from '../../shared/memory/engine-memory.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { MainPort } from './main-port.ts';
import type { PeerPorts } from './peer-ports.ts';

/** What the bus reaches. The dispatch is made after the bus, and is there when the first record comes. */
export interface BusParts {
  readonly main: MainPort;
  readonly peers: PeerPorts;
  readonly dispatch: DeliveryDispatch;
  readonly counters: Counters;
  readonly guard: HandlerGuard;
}

/** The shard's ends of all rings: records go to its connections, doorbells to the ports of the other threads. */
export function createShardBus(memory: EngineMemory, shard: number, spillBytes: number, parts: BusParts): ThreadBus {
  const { main, peers, counters, guard } = parts;
  return new ThreadBus({
    memory,
    self: threadOfShard(shard),
    spillBytes,
    ring: (thread) => {
      counters.add(counter.doorbells, 1);
      if (thread === mainThread) main.ring();
      else peers.ring(thread);
    },
    onRecord: (kind, bytes, offset, length) => parts.dispatch.dispatchDelivery(kind, bytes, offset, length),
    onError: (error) => {
      guard.fault('ring', null, error);
      if (errorCode(error) !== 'ERR_RING_CORRUPT') return;
      // Not at once: the bus is in the middle of reading the rings.
      setImmediate(() => {
        throw error;
      });
    },
    pumped: (spilledBytes) => counters.set(counter.ringSpilledBytes, spilledBytes),
  });
}
