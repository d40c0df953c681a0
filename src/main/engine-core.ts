import type { EventEmitter } from 'node:events';
import type { ShardJob } from '../shared/bus/ipc.ts';
import { Publisher } from '../shared/bus/publisher.ts';
import { NoticeDispatch } from '../shared/bus/record-dispatch.ts';
import { ThreadBus } from '../shared/bus/thread-bus.ts';
import type { EngineConfig } from '../shared/config/config.ts';
import { errorText } from '../shared/errors/index.ts';
import { createTallyMemory } from '../shared/memory/connection-tally.ts';
import { Counters, counter } from '../shared/memory/counters.ts';
import {
  createEngineMemory,
  type EngineMemory,
  mainThread,
  StateBoard,
  threadOfShard,
} from '../shared/memory/engine-memory.ts';
import { Vitals } from '../shared/memory/vitals.ts';
import { VitalsReporter } from '../shared/memory/vitals-reporter.ts';
import { ConnectionEvents } from './api/connection-events.ts';
import type { EngineEvents } from './api/engine-events.ts';
import { Listeners } from './api/listeners.ts';
import type { ConnectionSender } from './api/remote-connection.ts';
import { type GuardedEngine, guardExit } from './exit-guard.ts';
import { OffloadPool } from './offload/offload-pool.ts';
import type { EngineLogger } from './options/engine-options.ts';
import type { CompiledOptions } from './options/options.ts';
import { ShardEnds } from './shard-ends.ts';
import { ShardPool } from './shard-pool.ts';
import type { TlsKeeper } from './tls/tls-keeper.ts';
import { ShardWatch } from './watch/shard-watch.ts';

/** What the parts of an engine need from the engine. */
export interface EngineFront extends EventEmitter<EngineEvents>, ConnectionSender {
  metrics(): Promise<string>;
  restartShard(shard: number): Promise<void>;
}

const defaultOffloadTask = new URL('./offload/seal-task.js', import.meta.url);

/** Parts that a test may replace. */
export interface EngineParts {
  /** What the pool's threads run. */
  readonly offloadTask?: URL;
}

/** Connects the parts of an engine; its users call `Engine`. The shards' threads start at once. */
export class EngineCore {
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly board: StateBoard;
  /** Main's. */
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly reporter: VitalsReporter;
  readonly bus: ThreadBus;
  readonly publisher: Publisher;
  readonly connectionEvents: ConnectionEvents;
  readonly pool: ShardPool;
  readonly offload: OffloadPool<ShardJob>;
  readonly guarded: GuardedEngine;
  /** Null until the engine is ready. */
  watch: ShardWatch | null = null;
  readonly #front: EngineFront;
  readonly #logger: EngineLogger;
  readonly #listeners: Listeners;

  constructor(options: CompiledOptions, front: EngineFront, { offloadTask }: EngineParts, tls: TlsKeeper | null) {
    const { config, logger, keys, startTimeoutMs } = options;
    const { shards, ring } = config;
    this.config = config;
    this.#front = front;
    this.#logger = logger;
    this.memory = createEngineMemory(shards, ring.bytes, createTallyMemory(shards, config.limits));
    this.board = new StateBoard(this.memory);
    this.counters = new Counters(this.memory, mainThread);
    this.vitals = new Vitals(this.memory, mainThread);
    this.reporter = new VitalsReporter(this.vitals);
    this.#listeners = new Listeners({ emitter: front, counters: this.counters, vitals: this.vitals, logger });
    const { memory, board, counters } = this;
    const listeners = this.#listeners;
    this.offload = this.#createOffload(offloadTask ?? defaultOffloadTask);
    this.bus = new ThreadBus({
      memory,
      self: mainThread,
      spillBytes: ring.spillBytes,
      ring: (thread) => {
        counters.add(counter.doorbells, 1);
        this.pool.ring(thread);
      },
      onRecord: (kind, bytes, offset, length) => notices.dispatchNotice(kind, bytes, offset, length),
      onError: (error) => listeners.fault('ERR_RING_CORRUPT', `a ring failed: ${errorText(error)}`, error),
    });
    const { bus } = this;
    this.connectionEvents = new ConnectionEvents({ emitter: front, sender: front, listeners, board, bus, shards });
    const notices = new NoticeDispatch(this.connectionEvents);
    this.pool = new ShardPool({
      config,
      memory,
      keys,
      tls: tls?.material ?? null,
      counters: [counters, ...Array.from({ length: shards }, (_, shard) => new Counters(memory, threadOfShard(shard)))],
      offload: (job) => this.offload.run(job),
      doorbell: () => bus.onDoorbell(),
      log: (level, fields, text) => logger[level](fields, text),
      metrics: () => front.metrics(),
      startTimeoutMs,
      gone: (shard, end) => ends.gone(shard, end),
      restarted: (shard) => ends.replaced(shard),
      gaveUp: (shard, error) => ends.gaveUp(shard, error),
    });
    const { pool } = this;
    const unwatch = (): void => this.watch?.close();
    const ends = new ShardEnds({ config, memory, board, logger, listeners, bus, pool, unwatch });
    this.publisher = new Publisher({
      producer: bus.producer,
      counters,
      shards,
      nameLimitBytes: config.limits.channelNameBytes,
      ownShard: null,
      isClosed: () => board.isEnding,
      canReach: (shard) => pool.isReady(shard),
    });
    this.guarded = {
      board,
      shardCount: shards,
      acceptingShard: () => pool.listening.acceptingShard,
      abandon: (shard) => pool.abandon(shard),
    };
    guardExit(this.guarded);
  }

  #createOffload(filename: URL): OffloadPool<ShardJob> {
    const { threads, maxQueue, timeoutMs } = this.config.offload;
    return new OffloadPool<ShardJob>({
      filename,
      threads,
      maxQueue,
      timeoutMs,
      log: (level, fields, text) => this.#logger[level](fields, text),
      failed: () => this.counters.add(counter.offloadThreadsFailed, 1),
    });
  }

  /** Logs which transport serves the sockets: at info where `auto` fell back to `node`, otherwise at debug. */
  #tellTransport(): void {
    const { transport } = this.pool;
    if (transport === null) return;
    const { name, reason } = transport;
    const isNews = this.config.transport === 'auto' && name === 'node';
    if (isNews) this.#logger.info({ transport: name, reason }, 'sockets are served');
    else if (this.config.logsConnections) this.#logger.debug({ transport: name, reason }, 'sockets are served');
  }

  /** Resolves to the port once it answers. Rejects if the start fails; `drainEngine` then ends what was started. */
  async start(): Promise<number> {
    const port = await this.pool.start();
    this.#tellTransport();
    this.board.engine = 'ready';
    this.pool.supervise();
    this.vitals.state = 'ready';
    this.watch = new ShardWatch({
      config: this.config,
      memory: this.memory,
      logger: this.#logger,
      threadId: (shard) => this.pool.threadId(shard),
      stalled: (shard, stall) => this.#listeners.callListeners('stalled', shard, stall),
      recovered: (shard, stall) => this.#listeners.callListeners('recovered', shard, stall),
      restart: (shard) => this.#front.restartShard(shard),
    });
    return port;
  }
}
