import {
  type DisconnectOrder,
  RecordReader,
  type RecordWriter,
  readJsonRecord,
  recordKind,
} from '../../shared/bus/record.ts';
import type { Envelope } from '../../shared/codec/index.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { mainThread, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { checkClose } from '../../shared/message/close.ts';
import { shardOfConnection } from '../../shared/message/connection-id.ts';
import { type OutgoingMessage, outgoingEnvelope } from '../../shared/message/message.ts';
import type { DirectVerdict, PublishVerdict } from '../../shared/message/verdict.ts';
import { targetAllBut } from '../../shared/ring/index.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { ShardApi } from '../handlers/api.ts';
import type { FanOut } from './fan-out.ts';
import type { Hub } from './hub.ts';

export type PublishTarget = 'channel' | 'room' | 'everyone';

export interface RouterOptions {
  readonly shard: number;
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly hub: Hub;
  readonly fanOut: FanOut;
  readonly writer: RecordWriter;
  readonly connections: ReadonlyMap<string, ShardConnection>;
}

/** Main has nobody to give a published message to: it is not woken for one. */
const toAllShards = targetAllBut(mainThread);

const kindOf: Readonly<Record<PublishTarget, number>> = Object.freeze({
  channel: recordKind.publish,
  room: recordKind.room,
  everyone: recordKind.broadcast,
});

/** Takes messages to whom they are for: members in this shard directly, all others through the ring. */
export class Router implements ShardApi {
  /** Other shards that are there. */
  readonly #known = new Set<number>();
  #closed = false;
  readonly shard: number;
  readonly #config: EngineConfig;
  readonly #counters: Counters;
  readonly #hub: Hub;
  readonly #fanOut: FanOut;
  readonly #writer: RecordWriter;
  readonly #reader = new RecordReader();
  readonly #connections: ReadonlyMap<string, ShardConnection>;

  constructor(options: RouterOptions) {
    this.shard = options.shard;
    this.#config = options.config;
    this.#counters = options.counters;
    this.#hub = options.hub;
    this.#fanOut = options.fanOut;
    this.#writer = options.writer;
    this.#connections = options.connections;
  }

  /** What handler modules get: these methods and nothing else, which may be taken off the object. */
  api(): ShardApi {
    return Object.freeze({
      shard: this.shard,
      publish: this.publish.bind(this),
      publishToRoom: this.publishToRoom.bind(this),
      broadcast: this.broadcast.bind(this),
      send: this.send.bind(this),
      disconnect: this.disconnect.bind(this),
    });
  }

  /** Connections of that shard can be reached from here on. */
  meetShard(shard: number): void {
    this.#known.add(shard);
  }

  /** No connection of that shard can be reached any more. */
  forgetShard(shard: number): void {
    this.#known.delete(shard);
  }

  /** From here on everything is answered with `closed`. */
  close(): void {
    this.#closed = true;
  }

  publish(channel: string, message: OutgoingMessage): PublishVerdict {
    this.#hub.checkName('channel', channel);
    return this.publishEnvelope('channel', channel, outgoingEnvelope(message, 'message', channel));
  }

  publishToRoom(room: string, message: OutgoingMessage): PublishVerdict {
    this.#hub.checkName('room', room);
    return this.publishEnvelope('room', room, outgoingEnvelope(message, 'room', room));
  }

  broadcast(message: OutgoingMessage): PublishVerdict {
    return this.publishEnvelope('everyone', '', outgoingEnvelope(message, 'broadcast'));
  }

  send(connectionId: string, message: OutgoingMessage): DirectVerdict {
    const envelope = outgoingEnvelope(message, 'message');
    if (this.#closed) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard === this.shard) {
      this.#sendHere(connectionId, envelope);
      return 'queued';
    }
    if (shard < 0) return 'not-found';
    return this.#accepted(this.#writer.write(recordKind.send, threadOfShard(shard), connectionId, envelope));
  }

  disconnect(connectionId: string, code: number = closeCode.normal, reason = ''): DirectVerdict {
    checkClose(code, reason);
    const order: DisconnectOrder = { id: connectionId, code, reason };
    if (this.#closed) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard === this.shard) {
      this.#disconnectHere(order);
      return 'queued';
    }
    if (shard < 0) return 'not-found';
    return this.#accepted(this.#writer.writeJson(recordKind.disconnect, threadOfShard(shard), order));
  }

  /**
   * The ring first: if it refuses, nobody gets the message. Members here are served directly, so that the messages of
   * one publisher reach each subscriber on one path, in order (checklist H-56).
   */
  publishEnvelope(to: PublishTarget, name: string, envelope: Envelope): PublishVerdict {
    if (this.#closed) return 'closed';
    if (this.#config.shards > 1) {
      const verdict = this.#accepted(this.#writer.write(kindOf[to], toAllShards, name, envelope));
      if (verdict === 'overloaded') return verdict;
    }
    this.#counters.add(counter.publishes, 1);
    this.#deliver(to, name, envelope);
    return 'queued';
  }

  /** A record from another thread. */
  visit(kind: number, bytes: Uint8Array, offset: number, length: number): void {
    if (kind === recordKind.disconnect) {
      this.#disconnectHere(readJsonRecord(bytes, offset, length) as DisconnectOrder);
      return;
    }
    const { target, envelope } = this.#reader.read(bytes, offset);
    if (kind === recordKind.publish) this.#deliver('channel', target, envelope);
    else if (kind === recordKind.room) this.#deliver('room', target, envelope);
    else if (kind === recordKind.broadcast) this.#deliver('everyone', target, envelope);
    else if (kind === recordKind.send) this.#sendHere(target, envelope);
  }

  /** A notice for main, for which it has a listener. */
  notify(kind: number, notice: object): PublishVerdict {
    return this.#accepted(this.#writer.writeJson(kind, mainThread, notice));
  }

  /** A client's message for main's listeners. */
  forward(envelope: Envelope): PublishVerdict {
    return this.#accepted(this.#writer.write(recordKind.onMessage, mainThread, '', envelope));
  }

  /** -1: no connection of that id can be there. */
  #shardOf(connectionId: string): number {
    const shard = typeof connectionId === 'string' ? shardOfConnection(connectionId) : -1;
    return shard === this.shard || this.#known.has(shard) ? shard : -1;
  }

  #deliver(to: PublishTarget, name: string, envelope: Envelope): void {
    const audience = to === 'everyone' ? this.#hub.everyone : this.#hub.find(to, name);
    if (audience !== undefined) this.#fanOut.deliver(audience, envelope);
  }

  #sendHere(connectionId: string, envelope: Envelope): void {
    const connection = this.#connections.get(connectionId);
    if (connection !== undefined && connection.deferred !== null) {
      this.#defer(connection, connection.deferred, envelope);
      return;
    }
    if (connection === undefined || this.#fanOut.send(connection, envelope) === 'closed') {
      this.#counters.add(counter.undeliverable, 1);
    }
  }

  /** Keeps a message until the connection has its keys. The envelope's bytes may be a view of a ring. */
  #defer(connection: ShardConnection, deferred: Envelope[], envelope: Envelope): void {
    const bytes = envelope.data?.length ?? 0;
    // Like a socket's, the bound holds for what comes on top of something.
    const isOver = deferred.length > 0 && connection.deferredBytes + bytes > this.#config.maxBackpressureBytes;
    if (isOver || deferred.length >= this.#config.limits.pendingMessages) {
      this.#counters.add(counter.messagesDropped, 1);
      return;
    }
    connection.deferredBytes += bytes;
    deferred.push({ ...envelope, data: envelope.data?.slice() ?? null });
  }

  #disconnectHere({ id, code, reason }: DisconnectOrder): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) this.#counters.add(counter.undeliverable, 1);
    else connection.close(code, reason);
  }

  #accepted(verdict: 'written' | 'spilled' | 'overloaded'): PublishVerdict {
    if (verdict !== 'overloaded') return 'queued';
    this.#counters.add(counter.overloaded, 1);
    return 'overloaded';
  }
}
