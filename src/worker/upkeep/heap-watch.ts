import { EngineError } from '../../shared/errors/index.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import { ownHeap, watchCollections } from './heap.ts';
import { HeapBrake } from './heap-brake.ts';

/** The brake also looks this often: handlers fill the heap without any message. */
const lookMs = 100;

/** Runs the heap brake of this thread: looks at intervals and after collections, logs, and ends a full shard. */
export class HeapWatch {
  readonly brake: HeapBrake;
  readonly #timer: NodeJS.Timeout;
  readonly #unwatchCollections: () => void;

  constructor(vitals: Vitals, log: ShardLog) {
    this.brake = new HeapBrake({
      heap: ownHeap(),
      vitals,
      now: () => performance.now(),
      changed: (isOn, heapUsedBytes) => {
        if (isOn)
          log.write('warn', 'the heap of a shard is nearly full: connections and memberships are refused', {
            heapUsedBytes,
          });
        else log.write('info', 'the heap of a shard has room again', { heapUsedBytes });
      },
      exhausted: (usedBytes, limitBytes) => {
        const text = `the heap of a shard is full: ${usedBytes} of ${limitBytes} bytes`;
        // Not at once: the caller of the brake is in the middle of a message or a handshake.
        setImmediate(() => {
          throw new EngineError('ERR_SHARD_OUT_OF_MEMORY', text);
        });
      },
    });
    this.#timer = setInterval(() => this.brake.look(), lookMs).unref();
    this.#unwatchCollections = watchCollections(() => this.brake.collected());
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#unwatchCollections();
  }
}
