import { type DisconnectOrder, RecordWriter, recordKind } from '../../shared/bus/record.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { type StateBoard, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { shardOfConnection } from '../../shared/message/connection-id.ts';
import { type OutgoingMessage, outgoingEnvelope } from '../../shared/message/message.ts';
import type { DirectVerdict, PublishVerdict } from '../../shared/message/verdict.ts';
import { type RingProducer, targetAll, type WriteVerdict } from '../../shared/ring/index.ts';

export interface PublisherOptions {
  /** Of main's ring. */
  readonly producer: RingProducer;
  readonly board: StateBoard;
  /** Main's. */
  readonly counters: Counters;
  readonly shards: number;
  /** Whether a shard can be addressed now. */
  isReady(shard: number): boolean;
}

/** Main's messages and orders to shards, by way of its ring. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #writer: RecordWriter;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#writer = new RecordWriter(options.producer);
  }

  /** To every shard. `kind` says whom `name` names: a channel's subscribers, a room's members, or everybody. */
  publish(kind: number, name: string, message: OutgoingMessage, defaultType: string): PublishVerdict {
    const channel = kind === recordKind.broadcast ? undefined : name;
    const envelope = outgoingEnvelope(message, defaultType, channel);
    const { board, counters } = this.#options;
    if (board.isEnding) return 'closed';
    const verdict = this.#verdict(this.#writer.write(kind, targetAll, name, envelope));
    if (verdict === 'queued') counters.add(counter.publishes, 1);
    return verdict;
  }

  /** To one connection, whose id tells its shard. */
  send(connectionId: string, message: OutgoingMessage, defaultType: string): DirectVerdict {
    const envelope = outgoingEnvelope(message, defaultType);
    if (this.#options.board.isEnding) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard < 0) return 'not-found';
    return this.#verdict(this.#writer.write(recordKind.send, threadOfShard(shard), connectionId, envelope));
  }

  /** Has one connection closed. */
  disconnect(order: DisconnectOrder): DirectVerdict {
    if (this.#options.board.isEnding) return 'closed';
    const shard = this.#shardOf(order.id);
    if (shard < 0) return 'not-found';
    return this.#verdict(this.#writer.writeJson(recordKind.disconnect, threadOfShard(shard), order));
  }

  #verdict(verdict: WriteVerdict): 'queued' | 'overloaded' {
    if (verdict !== 'overloaded') return 'queued';
    this.#options.counters.add(counter.overloaded, 1);
    return 'overloaded';
  }

  #shardOf(connectionId: string): number {
    const shard = typeof connectionId === 'string' ? shardOfConnection(connectionId) : -1;
    return shard < this.#options.shards && this.#options.isReady(shard) ? shard : -1;
  }
}
