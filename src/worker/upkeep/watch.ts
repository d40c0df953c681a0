import type { EngineConfig } from '../../shared/config/config.ts';
import type { Counters } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { HandlerHost } from '../handlers/handler-host.ts';
import type { Hub } from '../outbound/hub.ts';
import { Closings } from './closings.ts';
import { Heartbeat } from './heartbeat.ts';
import { SlowConsumers } from './slow-consumers.ts';
import { TimeWheel } from './time-wheel.ts';

export interface WatchOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly hub: Hub;
  readonly guard: HandlerGuard;
  readonly handlers: HandlerHost;
}

const greatestIdleSeconds = 960;

/** One tick is about an eighth of the shortest time. */
function tickMs({ heartbeat, writeWaitMs }: EngineConfig): number {
  const shortest =
    heartbeat === null
      ? writeWaitMs
      : Math.min(heartbeat.pingPeriodMs, heartbeat.pongWaitMs - heartbeat.pingPeriodMs, writeWaitMs);
  return Math.min(1_000, Math.max(10, Math.floor(shortest / 8)));
}

/**
 * The silence after which the transport cuts a socket by itself. It is longer than the heartbeat and the wait of a
 * closing connection, so that those act first.
 */
export function idleTimeoutSeconds({ heartbeat, writeWaitMs }: EngineConfig): number {
  if (heartbeat === null) return 0;
  return Math.min(greatestIdleSeconds, Math.ceil((heartbeat.pongWaitMs + writeWaitMs) / 1_000) + 30);
}

/** Watches the open connections of a shard with one timer: dead, closing and slow connections. */
export class Watch {
  readonly closings: Closings;
  readonly #wheel: TimeWheel<ShardConnection>;
  /** Null: silent connections are not closed. */
  readonly #heartbeat: Heartbeat | null;
  readonly #slowConsumers: SlowConsumers;
  readonly #guard: HandlerGuard;

  constructor(options: WatchOptions) {
    const { config, counters, hub, guard } = options;
    this.#wheel = new TimeWheel(tickMs(config), (connection) => this.#look(connection));
    this.closings = new Closings(this.#wheel, hub, config.writeWaitMs);
    this.#heartbeat = config.heartbeat === null ? null : new Heartbeat(this.#wheel, config.heartbeat, counters);
    this.#slowConsumers = new SlowConsumers(options);
    this.#guard = guard;
    this.#wheel.start();
  }

  stop(): void {
    this.#wheel.stop();
  }

  startWatching(connection: ShardConnection): void {
    this.#heartbeat?.watch(connection);
  }

  stopWatching(connection: ShardConnection): void {
    this.#wheel.cancel(connection);
  }

  /** A frame of whatever kind came. */
  noteFrame(connection: ShardConnection): void {
    this.#heartbeat?.heard(connection);
  }

  /** The client has read what waited in its socket: it is alive, and may be no slow consumer any more. */
  noteDrained(connection: ShardConnection): void {
    this.#heartbeat?.heard(connection);
    this.closings.resume(connection);
    this.#slowConsumers.checkRecovered(connection);
  }

  /** The pool has no more jobs for this connection. */
  noteFlushed(connection: ShardConnection): void {
    this.#slowConsumers.checkRecovered(connection);
  }

  /** `messages` were not given to a connection. `batches` of them were the first of a batch that was dropped. */
  noteDropped(connection: ShardConnection, messages: number, batches: number): void {
    this.#slowConsumers.handleDropped(connection, messages, batches);
  }

  #look(connection: ShardConnection): void {
    try {
      if (connection.closing === null) this.#heartbeat?.look(connection);
      else this.closings.look(connection);
    } catch (error) {
      this.#guard.fault('watch', connection, error);
    }
  }
}
