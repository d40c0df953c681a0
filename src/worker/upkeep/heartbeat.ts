import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { TimeWheel } from './time-wheel.ts';

/**
 * Detects dead connections. A connection that was silent for the ping period gets a ping. A connection that was silent
 * for the pong wait is closed. It costs one number that each frame sets, and one check per ping period.
 */
export class Heartbeat {
  readonly #wheel: TimeWheel<ShardConnection>;
  readonly #counters: Counters;
  readonly #pingTicks: number;
  readonly #pongTicks: number;

  constructor(
    wheel: TimeWheel<ShardConnection>,
    { pingPeriodMs, pongWaitMs }: NonNullable<EngineConfig['heartbeat']>,
    counters: Counters,
  ) {
    this.#wheel = wheel;
    this.#counters = counters;
    this.#pingTicks = wheel.ticksOf(pingPeriodMs);
    // A frame may have come at the end of its tick: one more, so that no connection is closed early.
    this.#pongTicks = Math.max(this.#pingTicks, wheel.ticksOf(pongWaitMs)) + 1;
  }

  watch(connection: ShardConnection): void {
    this.heard(connection);
    this.#wheel.schedule(connection, this.#pingTicks);
  }

  /** A frame of any kind came. */
  heard(connection: ShardConnection): void {
    connection.heardAt = this.#wheel.now;
  }

  /** A connection is due in the wheel. */
  look(connection: ShardConnection): void {
    // Its frames wait in the kernel, because this shard does not read from it now.
    if (connection.isPaused) this.heard(connection);
    const silent = this.#wheel.now - connection.heardAt;
    if (silent >= this.#pongTicks) {
      this.#counters.add(counter.heartbeatsMissed, 1);
      connection.close(closeCode.noPong, 'no pong');
    } else if (silent < this.#pingTicks) {
      this.#wheel.schedule(connection, this.#pingTicks - silent);
    } else {
      connection.socket?.ping();
      // The write may have found that the connection has ended.
      if (connection.socket === null) return;
      this.#wheel.schedule(connection, Math.min(this.#pingTicks, this.#pongTicks - silent));
    }
  }
}
