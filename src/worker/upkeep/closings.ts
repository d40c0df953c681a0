import type { PendingClose, ShardConnection } from '../connection/shard-connection.ts';
import type { Hub } from '../outbound/hub.ts';
import type { TimeWheel } from './time-wheel.ts';

/**
 * Ends connections in good order. The socket library drops a Close frame if too much waits in front of it. So the frame
 * is held back until the client has read everything. The client has `writeWaitMs` for that, and as long again whenever
 * it has read at least half of what was left. A slow client that keeps reading learns why it was closed; a client that
 * does not is cut after a bounded time.
 */
export class Closings {
  readonly #wheel: TimeWheel<ShardConnection>;
  readonly #hub: Hub;
  readonly #waitTicks: number;

  constructor(wheel: TimeWheel<ShardConnection>, hub: Hub, writeWaitMs: number) {
    this.#wheel = wheel;
    this.#hub = hub;
    this.#waitTicks = wheel.ticksOf(writeWaitMs);
  }

  /** Call it once per connection. The connection must be open. */
  begin(connection: ShardConnection, code: number, reason: string): void {
    // Messages sent or published before go out first, also if the pool still has them.
    const lanes = this.#hub.lanesOf(connection);
    if (connection.lane !== null) lanes.push(connection.lane);
    const closing: PendingClose = { code, reason, isFlushed: lanes.length === 0, unreadBytes: 0 };
    connection.closing = closing;
    // The client may leave meanwhile, and its own Close frame must be read.
    if (connection.isPaused) connection.socket?.resume();
    connection.isPaused = false;
    this.resume(connection);
    let waiting = lanes.length;
    for (const lane of lanes) {
      lane.pushEnd(() => {
        waiting -= 1;
        if (waiting > 0) return;
        closing.isFlushed = true;
        this.#hub.exit(connection);
        this.resume(connection);
      });
    }
    if (connection.socket === null) return;
    // From here on nothing published is put into its buffer.
    if (lanes.length === 0) this.#hub.exit(connection);
    closing.unreadBytes = connection.bufferedBytes;
    this.#wheel.schedule(connection, this.#waitTicks);
  }

  /** The client has read something. Ends the connection if nothing waits any more. */
  resume({ closing, socket }: ShardConnection): void {
    if (closing?.isFlushed === true && socket?.bufferedBytes === 0) socket.end(closing.code, closing.reason);
  }

  /** A closing connection is due in the wheel. */
  look(connection: ShardConnection): void {
    this.resume(connection);
    const { closing, socket, bufferedBytes } = connection;
    if (closing === null || socket === null) return;
    if (bufferedBytes > closing.unreadBytes / 2) {
      socket.terminate();
      return;
    }
    closing.unreadBytes = bufferedBytes;
    this.#wheel.schedule(connection, this.#waitTicks);
  }
}
