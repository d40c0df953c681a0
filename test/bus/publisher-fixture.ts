import assert from 'node:assert/strict';
import { Publisher } from '#dist/shared/bus/publisher.js';
import {
  DeliveryDispatch,
  NoticeDispatch,
  type NoticeListener,
  type ShardDelivery,
} from '#dist/shared/bus/record-dispatch.js';
import type { ConnectNotice, DisconnectNotice, DisconnectOrder } from '#dist/shared/bus/record-kind.js';
import { ThreadBus } from '#dist/shared/bus/thread-bus.js';
import type { Envelope } from '#dist/shared/codec/index.js';
import { Counters } from '#dist/shared/memory/counters.js';
import { createEngineMemory, mainThread, threadOfShard } from '#dist/shared/memory/engine-memory.js';
import type { AudienceKind } from '#dist/shared/message/names.js';

/** What a thread got, in order: who it was for, and the text of what came. */
export class Received implements ShardDelivery, NoticeListener {
  readonly all: string[] = [];
  readonly envelopes: Envelope[] = [];

  deliverToAudience(kind: AudienceKind, name: string, envelope: Envelope): void {
    this.#keep(`${kind} ${name}`, envelope);
  }

  deliverToConnection(connectionId: string, envelope: Envelope): void {
    this.#keep(`connection ${connectionId}`, envelope);
  }

  closeConnection({ id, code, reason }: DisconnectOrder): void {
    this.all.push(`close ${id}: ${code} ${reason}`);
  }

  onConnectNotice({ id, name, codec, remoteAddress }: ConnectNotice): void {
    this.all.push(`connected ${id}: ${name} ${codec} ${remoteAddress}`);
  }

  onMessageNotice(envelope: Envelope): void {
    this.#keep(`message of ${envelope.clientId}`, envelope);
  }

  onDisconnectNotice({ id, code, reason }: DisconnectNotice): void {
    this.all.push(`disconnected ${id}: ${code} ${reason}`);
  }

  #keep(to: string, envelope: Envelope): void {
    this.all.push(`${to}: ${Buffer.from(envelope.data ?? new Uint8Array(0)).toString()}`);
    this.envelopes.push({ ...envelope, data: envelope.data?.slice() ?? null });
  }
}

export interface PublishingThread {
  readonly bus: ThreadBus;
  readonly publisher: Publisher;
  readonly counters: Counters;
  readonly received: Received;
  isClosed: boolean;
}

export interface PublishingEngine {
  readonly main: PublishingThread;
  readonly shards: readonly PublishingThread[];
  /** Every thread reads what is in the rings. */
  readAll(): void;
  close(): void;
}

export interface PublishingOptions {
  readonly shards?: number;
  readonly ringBytes?: number;
  readonly spillBytes?: number;
  /** Those that no other thread can address. */
  readonly unreachable?: readonly number[];
}

/** The rings of an engine, and the publisher of each of its threads, all in one thread. */
export function openPublishers(options: PublishingOptions = {}): PublishingEngine {
  const { shards: count = 2, ringBytes = 65_536, spillBytes = 65_536, unreachable = [] } = options;
  const memory = createEngineMemory(count, ringBytes);
  const open = (self: number): PublishingThread => {
    const received = new Received();
    const deliveries = new DeliveryDispatch(received);
    const notices = new NoticeDispatch(received);
    const counters = new Counters(memory, self);
    const bus = new ThreadBus({
      memory,
      self,
      spillBytes,
      ring: () => undefined,
      onRecord: (kind, bytes, offset, length) => {
        if (self === mainThread) notices.dispatchNotice(kind, bytes, offset, length);
        else deliveries.dispatchDelivery(kind, bytes, offset, length);
      },
      onError: (error) => assert.fail(String(error)),
    });
    const thread: PublishingThread = {
      bus,
      counters,
      received,
      isClosed: false,
      publisher: new Publisher({
        producer: bus.producer,
        counters,
        shards: count,
        nameLimitBytes: 16,
        ownShard: self === mainThread ? null : { shard: self - 1, delivery: received },
        isClosed: () => thread.isClosed,
        canReach: (shard) => shard < count && !unreachable.includes(shard),
      }),
    };
    return thread;
  };
  const main = open(mainThread);
  const shards = Array.from({ length: count }, (_, shard) => open(threadOfShard(shard)));
  const threads = [main, ...shards];
  for (const { bus } of threads) for (const self of threads.keys()) bus.attend(self);
  return {
    main,
    shards,
    readAll: () => {
      for (const { bus } of threads) bus.readRings(1_000);
    },
    close: () => {
      for (const { bus } of threads) bus.close();
    },
  };
}
