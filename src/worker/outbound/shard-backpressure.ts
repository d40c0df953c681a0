import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { ShardLog } from '../handlers/shard-log.ts';

export interface ShardBackpressureOptions {
  /** The bound of all that waits unsent in this shard. */
  readonly maxBytes: number;
  readonly counters: Counters;
  readonly connections: ReadonlyMap<string, ShardConnection>;
  readonly log: Pick<ShardLog, 'write'>;
}

/** The most that a frame adds to what it carries. */
const frameHeaderBytes = 10;
/** A pong with the longest payload. The library sends them by itself. */
const pongBytes = 127;
/** Near or over the bound, the next sum follows after this part of the bound was written. */
const leastPart = 16;

interface Backlog {
  readonly connection: ShardConnection;
  readonly bytes: number;
  /** It was told to end, and may still read what was sent before. */
  readonly isLeaving: boolean;
}

/**
 * Bounds the sum of the bytes that wait for the clients of a shard. Each connection has a bound of its own; many slow
 * ones together would still fill the memory.
 *
 * The socket library does not tell how much of a publish stays unsent, so a sum asks every connection. It is made only
 * when it could exceed the bound: since the last sum, at most the bytes written since then can have been added. So a
 * shard makes one sum for each `maxBytes` that it writes while its clients read, and one for each sixteenth of that
 * while they do not. The excess is at most the bytes of one turn of the loop and that sixteenth.
 */
export class ShardBackpressure {
  readonly #options: ShardBackpressureOptions;
  readonly #counters: Counters;
  /** Bytes written that no counter has. */
  #uncountedBytes = 0;
  /** The sum is made when so much has been written. */
  #sumAt: number;
  #isDue = false;

  constructor(options: ShardBackpressureOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#sumAt = this.#written + options.maxBytes;
  }

  /** Something was sent or published, and counted. Costs a comparison. */
  sent(): void {
    if (this.#written < this.#sumAt || this.#isDue) return;
    this.#isDue = true;
    // Not at once: the sender is in the middle of a loop over an audience.
    setImmediate(this.#sum);
  }

  /** A pong may have been sent. */
  ponged(): void {
    this.#uncountedBytes += pongBytes;
    this.sent();
  }

  /** Upper bound of the bytes given to the socket library. */
  get #written(): number {
    const bytes = this.#counters.get(counter.bytesOut);
    return bytes + frameHeaderBytes * this.#counters.get(counter.messagesOut) + this.#uncountedBytes;
  }

  readonly #sum = (): void => {
    this.#isDue = false;
    const { maxBytes, connections } = this.#options;
    let sum = 0;
    for (const connection of connections.values()) sum += connection.bufferedBytes;
    if (sum > maxBytes) this.#relieve(sum);
    this.#sumAt = this.#written + Math.max(maxBytes - sum, maxBytes / leastPart);
  };

  /**
   * Those that are leaving go first, since their bytes are what keeps the sum up: they are cut. Then the slowest are
   * closed in good order. Their bytes are gone once they have read them, or when the next sum is over the bound as well.
   */
  #relieve(sum: number): void {
    const { maxBytes, log } = this.#options;
    let rest = sum;
    let closed = 0;
    let cut = 0;
    for (const { connection, bytes, isLeaving } of this.#backlogs()) {
      if (rest <= maxBytes) break;
      rest -= bytes;
      if (isLeaving) {
        cut += 1;
        connection.socket?.terminate();
      } else {
        closed += 1;
        this.#counters.add(counter.shardBackpressureClosed, 1);
        connection.close(closeCode.slowConsumer, 'too slow');
      }
    }
    log.write('warn', 'too many bytes wait for slow clients', { bytes: sum, maxBytes, closed, cut });
  }

  #backlogs(): Backlog[] {
    const backlogs: Backlog[] = [];
    for (const connection of this.#options.connections.values()) {
      const bytes = connection.bufferedBytes;
      if (bytes > 0) backlogs.push({ connection, bytes, isLeaving: !connection.isOpen });
    }
    return backlogs.sort((a, b) => Number(b.isLeaving) - Number(a.isLeaving) || b.bytes - a.bytes);
  }
}
