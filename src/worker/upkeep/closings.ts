import type { PendingClose, ShardConnection } from '../connection/shard-connection.ts';
import type { Hub } from '../outbound/hub.ts';
import type { TimeWheel } from './time-wheel.ts';

/**
 * Ends connections in good order. The socket library throws a Close frame away if too much waits in front of it, so the
 * frame is held back until the client has read everything. It gets `writeWaitMs` for that, and as long again whenever it
 * has read at least half of what was left: a slow client that goes on reading hears why it was closed, and one that does
 * not is cut, after a time that has a bound.
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

  /** Call it once per connection, which must be open. */
  begin(connection: ShardConnection, code: number, reason: string): void {
    // What was sent or published before goes out before, also if the pool still has it.
    const lanes = this.#hub.lanesOf(connection);
    if (connection.lane !== null) lanes.push(connection.lane);
    const closing: PendingClose = { code, reason, isFlushed: lanes.length === 0, unreadBytes: 0 };
    connection.closing = closing;
    // It may leave meanwhile, and its own Close frame must be read.
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
    // Nothing that is published from here on is put into its buffer.
    if (lanes.length === 0) this.#hub.exit(connection);
    closing.unreadBytes = connection.bufferedBytes;
    this.#wheel.schedule(connection, this.#waitTicks);
  }

  /** The client has read something: ends the connection if that was all. */
  resume({ closing, socket }: ShardConnection): void {
    if (closing?.isFlushed === true && socket?.bufferedBytes === 0) socket.end(closing.code, closing.reason);
  }

  /** The wheel came to a closing connection. */
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
