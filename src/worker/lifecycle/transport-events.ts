import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import type { Handshakes } from '../handshake/handshakes.ts';
import type { Intake } from '../inbound/intake.ts';
import type { ShardBackpressure } from '../outbound/shard-backpressure.ts';
import type {
  CloseCause,
  Exchange,
  HttpAnswer,
  Socket,
  TransportEvents,
  TransportRequest,
  UpgradeDecision,
} from '../transport/transport.ts';
import type { Watch } from '../upkeep/watch.ts';
import type { ConnectionLifecycle } from './connection-lifecycle.ts';

/** The parts that handle events. They are made after the transport, and are there when its first event comes. */
export interface EventParts {
  readonly handshakes: Handshakes;
  readonly lifecycle: ConnectionLifecycle;
  readonly intake: Intake;
  readonly watch: Watch;
  readonly backpressure: ShardBackpressure;
  readonly counters: Counters;
  readonly guard: HandlerGuard;
  readonly log: ShardLog;
}

/** Which part of the shard handles which event of the transport. */
export class ShardEvents implements TransportEvents<ShardConnection> {
  readonly #parts: EventParts;

  constructor(parts: EventParts) {
    this.#parts = parts;
  }

  upgrade(
    request: TransportRequest,
    exchange: Exchange,
  ): UpgradeDecision<ShardConnection> | Promise<UpgradeDecision<ShardConnection>> {
    return this.#parts.handshakes.decideUpgrade(request, exchange);
  }

  request(request: TransportRequest): HttpAnswer | Promise<HttpAnswer> {
    return this.#parts.handshakes.answerPlainRequest(request);
  }

  open(connection: ShardConnection, socket: Socket): void {
    this.#parts.lifecycle.openConnection(connection, socket);
  }

  message(connection: ShardConnection, payload: Uint8Array): void {
    this.#parts.watch.noteFrame(connection);
    this.#parts.intake.receiveFrame(connection, payload);
  }

  alive(connection: ShardConnection, unanswered: boolean): void {
    if (unanswered) this.#parts.counters.add(counter.pongsDropped, 1);
    this.#parts.watch.noteFrame(connection);
    this.#parts.backpressure.ponged();
    this.#parts.intake.receiveControlFrame(connection);
  }

  drain(connection: ShardConnection): void {
    this.#parts.watch.noteDrained(connection);
  }

  dropped(connection: ShardConnection, messages: number, batches: number): void {
    this.#parts.watch.noteDropped(connection, messages, batches);
  }

  close(connection: ShardConnection, code: number, reason: string, cause: CloseCause): void {
    this.#parts.lifecycle.clientLeft(connection, code, reason, cause);
  }

  gone(connection: ShardConnection): void {
    this.#parts.lifecycle.socketGone(connection);
  }

  cut(): void {
    this.#parts.counters.add(counter.connectionsCut, 1);
  }

  abandoned(): void {
    this.#parts.counters.add(counter.handshakesAbandoned, 1);
  }

  discarded(connection: ShardConnection): void {
    this.#parts.handshakes.discardAccepted(connection);
  }

  error(error: unknown): void {
    this.#parts.guard.fault('transport', null, error);
  }

  /** Only in the shard that accepts for all. How many clients are refused meanwhile is not known. */
  starved(isStarved: boolean): void {
    if (isStarved) {
      this.#parts.counters.add(counter.acceptErrors, 1);
      this.#parts.log.write('error', 'no descriptor is left: clients are refused until there is room', {});
    } else {
      this.#parts.log.write('warn', 'there are descriptors again: clients are accepted');
    }
  }
}
