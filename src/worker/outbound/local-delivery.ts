import type { ShardDelivery } from '../../shared/bus/record-dispatch.ts';
import type { DisconnectOrder } from '../../shared/bus/record-kind.ts';
import type { Envelope } from '../../shared/codec/index.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { AudienceKind } from '../../shared/message/names.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { FanOut } from './fan-out.ts';
import type { Hub } from './hub.ts';

export interface LocalDeliveryOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly connections: ReadonlyMap<string, ShardConnection>;
}

/** Takes messages and orders, of this thread or another, to the connections of this shard. */
export class LocalDelivery implements ShardDelivery {
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #hub: Hub;
  readonly #fanOut: FanOut;
  readonly #connections: ReadonlyMap<string, ShardConnection>;

  constructor(options: LocalDeliveryOptions) {
    this.#config = options.config;
    this.#counters = options.counters;
    this.#hub = options.hub;
    this.#fanOut = options.fanOut;
    this.#connections = options.connections;
  }

  deliverToAudience(kind: AudienceKind, name: string, envelope: Envelope): void {
    const audience = kind === 'everyone' ? this.#hub.everyone : this.#hub.findAudience(kind, name);
    if (audience !== undefined) this.#fanOut.fanOutEnvelope(audience, envelope);
  }

  deliverToConnection(connectionId: string, envelope: Envelope): void {
    const connection = this.#connections.get(connectionId);
    if (connection !== undefined && connection.deferred !== null) {
      this.#defer(connection, connection.deferred, envelope);
      return;
    }
    if (connection === undefined || this.#fanOut.sendEnvelope(connection, envelope) === 'closed') {
      this.#counters.add(counter.undeliverable, 1);
    }
  }

  closeConnection({ id, code, reason }: DisconnectOrder): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) this.#counters.add(counter.undeliverable, 1);
    else connection.close(code, reason);
  }

  /** Keeps a message until the connection has its keys. The envelope's bytes may be a view of a ring. */
  #defer(connection: ShardConnection, deferred: Envelope[], envelope: Envelope): void {
    const bytes = envelope.data?.length ?? 0;
    // As with a socket, the first message may have any size: the bound is for those that come on top.
    const isOver = deferred.length > 0 && connection.deferredBytes + bytes > this.#config.maxBackpressureBytes;
    if (isOver || deferred.length >= this.#config.limits.pendingMessages) {
      this.#counters.add(counter.messagesDropped, 1);
      return;
    }
    connection.deferredBytes += bytes;
    deferred.push({ ...envelope, data: envelope.data?.slice() ?? null });
  }
}
