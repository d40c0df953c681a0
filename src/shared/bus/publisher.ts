import type { Envelope } from '../codec/index.ts';
import { type Counters, counter } from '../memory/counters.ts';
import { mainThread, threadOfShard } from '../memory/engine-memory.ts';
import { checkClose } from '../message/close.ts';
import { shardOfConnection } from '../message/connection-id.ts';
import { type OutgoingMessage, outgoingEnvelope } from '../message/message.ts';
import { type AudienceKind, checkName } from '../message/names.ts';
import type { DirectVerdict, PublishVerdict } from '../message/verdict.ts';
import { type RingProducer, targetAll, targetAllBut, type WriteVerdict } from '../ring/index.ts';
import { RecordWriter } from './record.ts';
import type { ShardDelivery } from './record-dispatch.ts';
import { type ConnectNotice, type DisconnectNotice, type DisconnectOrder, recordKind } from './record-kind.ts';

export interface PublisherOptions {
  /** Of this thread's ring. */
  readonly producer: RingProducer;
  /** This thread's. */
  readonly counters: Counters;
  /** How many the engine has. */
  readonly shards: number;
  /** Bound of the names of channels and rooms, in UTF-8. */
  readonly nameLimitBytes: number;
  /** The shard of this thread; null: it is main, which has no connections. */
  readonly ownShard: OwnShard | null;
  /** Whether everything is answered with `closed` from here on. */
  readonly isClosed: () => boolean;
  /** Whether connections of that other shard can be addressed now. */
  readonly canReach: (shard: number) => boolean;
}

export interface OwnShard {
  readonly shard: number;
  readonly delivery: ShardDelivery;
}

/** The type of a message that names none. */
const defaultTypes: Readonly<Record<AudienceKind | 'connection', string>> = Object.freeze({
  channel: 'message',
  room: 'room',
  everyone: 'broadcast',
  connection: 'message',
});

/**
 * A thread's way to the connections of all shards, and to main's listeners. Main has one and so has each shard. Nothing
 * else writes records of messages, orders and notices to a ring.
 */
export class Publisher {
  readonly #writer: RecordWriter;
  readonly #counters: Counters;
  readonly #nameLimitBytes: number;
  readonly #ownShard: OwnShard | null;
  readonly #isClosed: () => boolean;
  readonly #canReach: (shard: number) => boolean;
  /** Which readers of the ring a publish is for; null: there is no other shard. */
  readonly #otherShards: number | null;

  constructor(options: PublisherOptions) {
    this.#writer = new RecordWriter(options.producer);
    this.#counters = options.counters;
    this.#nameLimitBytes = options.nameLimitBytes;
    this.#ownShard = options.ownShard;
    this.#isClosed = options.isClosed;
    this.#canReach = options.canReach;
    if (options.ownShard === null) this.#otherShards = targetAll;
    // Main has no connections: a published message does not wake it.
    else this.#otherShards = options.shards > 1 ? targetAllBut(mainThread) : null;
  }

  /**
   * A program's message to a channel, a room or everyone, whose name is ''. Throws `ERR_CHANNEL_INVALID`,
   * `ERR_ROOM_INVALID`, `ERR_MESSAGE_INVALID` or `ERR_TEXT_INVALID`.
   */
  publishMessage(kind: AudienceKind, name: string, message: OutgoingMessage): PublishVerdict {
    if (kind === 'everyone') return this.publishEnvelope(kind, '', outgoingEnvelope(message, defaultTypes[kind]));
    checkName(kind, name, this.#nameLimitBytes);
    return this.publishEnvelope(kind, name, outgoingEnvelope(message, defaultTypes[kind], name));
  }

  /**
   * The same, of a message that was checked. The ring first: if it refuses, nobody gets the message. Members in this
   * thread are served directly, so that the messages of one publisher reach each subscriber on one path, in order.
   */
  publishEnvelope(kind: AudienceKind, name: string, envelope: Envelope): PublishVerdict {
    if (this.#isClosed()) return 'closed';
    if (this.#otherShards !== null) {
      const written = this.#writer.writeEnvelope(recordKind[kind], this.#otherShards, name, envelope);
      if (this.#queued(written) === 'overloaded') return 'overloaded';
    }
    this.#counters.add(counter.publishes, 1);
    this.#ownShard?.delivery.deliverToAudience(kind, name, envelope);
    return 'queued';
  }

  /** A program's message to one connection. Throws `ERR_MESSAGE_INVALID` or `ERR_TEXT_INVALID`. */
  sendMessage(connectionId: string, message: OutgoingMessage): DirectVerdict {
    return this.sendEnvelope(connectionId, outgoingEnvelope(message, defaultTypes.connection));
  }

  /** The same, of a message that was checked. Its `id` is that of the connection's request which it answers, or 0. */
  sendEnvelope(connectionId: string, envelope: Envelope): DirectVerdict {
    if (this.#isClosed()) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard < 0) return 'not-found';
    if (shard === this.#ownShard?.shard) {
      this.#ownShard.delivery.deliverToConnection(connectionId, envelope);
      return 'queued';
    }
    return this.#queued(
      this.#writer.writeEnvelope(recordKind.connection, threadOfShard(shard), connectionId, envelope),
    );
  }

  /** Has one connection closed. Throws `ERR_CLOSE_CODE_INVALID` or `ERR_TEXT_INVALID`. */
  orderDisconnect(connectionId: string, code: number, reason: string): DirectVerdict {
    checkClose(code, reason);
    if (this.#isClosed()) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard < 0) return 'not-found';
    const order: DisconnectOrder = { id: connectionId, code, reason };
    if (shard === this.#ownShard?.shard) {
      this.#ownShard.delivery.closeConnection(order);
      return 'queued';
    }
    return this.#queued(this.#writer.writeJson(recordKind.disconnect, threadOfShard(shard), order));
  }

  /** Notices go from a shard to main, if main has a listener for them, also once this publisher is closed. */
  writeConnectNotice(notice: ConnectNotice): 'queued' | 'overloaded' {
    return this.#queued(this.#writer.writeJson(recordKind.connectNotice, mainThread, notice));
  }

  /** A client's message. */
  writeMessageNotice(envelope: Envelope): 'queued' | 'overloaded' {
    return this.#queued(this.#writer.writeEnvelope(recordKind.messageNotice, mainThread, '', envelope));
  }

  writeDisconnectNotice(notice: DisconnectNotice): 'queued' | 'overloaded' {
    return this.#queued(this.#writer.writeJson(recordKind.disconnectNotice, mainThread, notice));
  }

  #queued(verdict: WriteVerdict): 'queued' | 'overloaded' {
    if (verdict !== 'overloaded') return 'queued';
    this.#counters.add(counter.overloaded, 1);
    return 'overloaded';
  }

  /** -1: no connection of that id can be there. */
  #shardOf(connectionId: string): number {
    const shard = typeof connectionId === 'string' ? shardOfConnection(connectionId) : -1;
    if (shard < 0) return -1;
    return shard === this.#ownShard?.shard || this.#canReach(shard) ? shard : -1;
  }
}
