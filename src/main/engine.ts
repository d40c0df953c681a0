import { EventEmitter } from 'node:events';
import { checkClose } from '../shared/close.ts';
import type { EngineConfig } from '../shared/config.ts';
import { shardOfConnection } from '../shared/connection-id.ts';
import { createTallyMemory } from '../shared/connection-tally.ts';
import { Counters, counter } from '../shared/counters.ts';
import {
  createEngineMemory,
  type EngineMemory,
  interest,
  mainThread,
  StateBoard,
  threadOfShard,
} from '../shared/engine-memory.ts';
import { closeCode, EngineError, errorText } from '../shared/errors/index.ts';
import type { ShardJob } from '../shared/ipc.ts';
import type { KeyRing } from '../shared/key-ring.ts';
import { type OutgoingMessage, outgoingEnvelope, type ReceivedMessage, receivedMessage } from '../shared/message.ts';
import { metricsContentType } from '../shared/metrics-type.ts';
import { checkName } from '../shared/names.ts';
import {
  type ConnectNotice,
  type DisconnectNotice,
  type DisconnectOrder,
  RecordReader,
  RecordWriter,
  readJsonRecord,
  recordKind,
} from '../shared/record.ts';
import { targetAll } from '../shared/ring/index.ts';
import { isThenable } from '../shared/thenable.ts';
import { ThreadBus } from '../shared/thread-bus.ts';
import type { DirectVerdict, PublishVerdict } from '../shared/verdict.ts';
import { Vitals } from '../shared/vitals.ts';
import { VitalsReporter } from '../shared/vitals-reporter.ts';
import type { EngineLogger, SecurityKeys, TlsOptions } from './engine-options.ts';
import { type GuardedEngine, guardExit, unguardExit } from './exit-guard.ts';
import { rotated } from './key-rotation.ts';
import type { Metrics } from './metrics.ts';
import { OffloadPool } from './offload-pool.ts';
import type { CompiledOptions } from './options.ts';
import { NewConnection, RemoteConnection } from './remote-connection.ts';
import { type ShardEnd, ShardPool } from './shard-pool.ts';
import { type ShardStall, ShardWatch } from './shard-watch.ts';
import { type EngineStats, gatherStats } from './stats.ts';
import type { TlsKeeper, TlsReloadVerdict } from './tls-keeper.ts';

export interface EngineEvents {
  connect: [connection: NewConnection];
  message: [connection: RemoteConnection, message: ReceivedMessage];
  disconnect: [connection: RemoteConnection, code: number, reason: string];
  /** A shard's thread has ended without being asked to; its connections are gone. */
  'shard-lost': [shard: number, error: EngineError];
  /** A new thread has taken the place of a shard that was lost, or that `restartShard` ended. */
  'shard-restarted': [shard: number];
  /** A shard's loop has not turned for `watchdog.stalledMs`. `stack` says where it is, if that could be had. */
  stalled: [shard: number, stall: ShardStall];
  /** It turns again. */
  recovered: [shard: number, stall: { readonly blockedMs: number }];
  /** Something is wrong that no call could report. Logged as well; without a listener, only logged. */
  error: [error: EngineError];
}

/** Time beyond the grace period after which a shard that has not ended counts as stalled. */
const stallMs = 5_000;
const settleRounds = 10_000;
const maxGraceMs = 600_000;
const defaultRotationGraceMs = 60_000;

function checkGrace(graceMs: number): void {
  if (Number.isFinite(graceMs) && graceMs >= 0 && graceMs <= maxGraceMs) return;
  const allowed = `0 to ${maxGraceMs} milliseconds`;
  throw new EngineError('ERR_OPTION_INVALID', `option "graceMs" is ${graceMs}; allowed: ${allowed}`, {
    path: 'graceMs',
    given: graceMs,
    allowed,
  });
}

function checkShard(shard: number, shards: number): void {
  if (Number.isInteger(shard) && shard >= 0 && shard < shards) return;
  const allowed = `a whole number from 0 to ${shards - 1}`;
  throw new EngineError('ERR_OPTION_INVALID', `"shard" is ${String(shard)}; allowed: ${allowed}`, {
    path: 'shard',
    given: shard,
    allowed,
  });
}

const defaultOffloadTask = new URL('./seal-task.js', import.meta.url);

/** Parts that a test may replace. */
export interface EngineParts {
  /** What the pool's threads run. */
  readonly offloadTask?: URL;
}

/**
 * A running engine. Made by `startEngine`. Listeners run in the main thread: what they throw is caught, counted and
 * logged.
 */
export class Engine extends EventEmitter<EngineEvents> {
  readonly #config: EngineConfig;
  readonly #closeGraceMs: number;
  readonly #logger: EngineLogger;
  readonly #memory: EngineMemory;
  readonly #board: StateBoard;
  readonly #counters: Counters[];
  readonly #vitals: Vitals;
  readonly #reporter: VitalsReporter;
  readonly #bus: ThreadBus;
  readonly #writer: RecordWriter;
  readonly #reader = new RecordReader();
  readonly #pool: ShardPool;
  readonly #guarded: GuardedEngine;
  readonly #offload: OffloadPool<ShardJob>;
  /** Null: the engine has no `tls` option. */
  readonly #tls: TlsKeeper | null;
  /** Made with the first page: most engines never write one. */
  #metrics: Promise<Metrics> | null = null;
  #keys: KeyRing;
  #watch: ShardWatch | null = null;
  #port = 0;
  #closing: Promise<void> | null = null;

  /** @internal Use `startEngine`. */
  constructor(
    options: CompiledOptions,
    { offloadTask = defaultOffloadTask }: EngineParts = {},
    tls: TlsKeeper | null = null,
  ) {
    super();
    this.#tls = tls;
    const { config } = options;
    const { threads, maxQueue, timeoutMs } = config.offload;
    this.#keys = options.keys;
    this.#offload = new OffloadPool<ShardJob>({
      filename: offloadTask,
      threads,
      maxQueue,
      timeoutMs,
      log: (level, fields, text) => this.#logger[level](fields, text),
      failed: () => this.#count(counter.offloadThreadsFailed),
    });
    this.#config = config;
    this.#closeGraceMs = options.closeGraceMs;
    this.#logger = options.logger;
    this.#memory = createEngineMemory(
      config.shards,
      config.ring.bytes,
      createTallyMemory(config.shards, config.limits),
    );
    this.#board = new StateBoard(this.#memory);
    this.#counters = Array.from({ length: config.shards + 1 }, (_, thread) => new Counters(this.#memory, thread));
    this.#vitals = new Vitals(this.#memory, mainThread);
    this.#reporter = new VitalsReporter(this.#vitals);
    this.#bus = new ThreadBus({
      memory: this.#memory,
      self: mainThread,
      spillBytes: config.ring.spillBytes,
      ring: (thread) => {
        this.#count(counter.doorbells);
        this.#pool.ring(thread);
      },
      visit: (_from, kind, bytes, offset, length) => this.#visit(kind, bytes, offset, length),
      onError: (error) => this.#fault('ERR_RING_CORRUPT', `a ring failed: ${errorText(error)}`, error),
    });
    this.#writer = new RecordWriter(this.#bus.producer);
    this.#pool = new ShardPool({
      config,
      memory: this.#memory,
      keys: this.#keys,
      tls: tls?.material ?? null,
      counters: this.#counters,
      offload: (job) => this.#offload.run(job),
      doorbell: () => this.#bus.onDoorbell(),
      log: (level, fields, text) => this.#logger[level](fields, text),
      metrics: () => this.metrics(),
      startTimeoutMs: options.startTimeoutMs,
      gone: (shard, end) => this.#onShardGone(shard, end),
      restarted: (shard) => this.#onShardRestarted(shard),
      gaveUp: (shard, error) => this.#onShardGivenUp(shard, error),
    });
    this.#guarded = {
      board: this.#board,
      shardCount: config.shards,
      acceptingShard: () => this.#pool.acceptingShard,
      abandon: (shard) => this.#pool.abandon(shard),
    };
    guardExit(this.#guarded);
    this.#watchListeners();
  }

  /** @internal Resolves once the port answers. Rejects, with nothing left behind, if it cannot. */
  async start(): Promise<void> {
    try {
      this.#port = await this.#pool.start();
      this.#board.engine = 'ready';
      this.#pool.supervise();
      this.#vitals.state = 'ready';
      this.#watch = this.#watchShards();
    } catch (error) {
      await this.drain({ graceMs: 0 }).catch(() => undefined);
      throw error;
    }
  }

  /** The port that the engine listens on. */
  get port(): number {
    return this.#port;
  }

  /** Number of shards it was started with. */
  get shards(): number {
    return this.#config.shards;
  }

  /** To all subscribers of a channel, on every shard. Default type `message`. Throws `ERR_MESSAGE_INVALID`. */
  publish(channel: string, message: OutgoingMessage): PublishVerdict {
    checkName('channel', channel, this.#config.limits.channelNameBytes);
    return this.#publish(recordKind.publish, channel, message, 'message');
  }

  /** Bytes as they are, as the data of a `message` on a channel. */
  publishRaw(channel: string, bytes: Uint8Array): PublishVerdict {
    return this.publish(channel, { data: bytes });
  }

  /** To all members of a room. Default type `room`; the envelope's channel is the room. */
  publishToRoom(room: string, message: OutgoingMessage): PublishVerdict {
    checkName('room', room, this.#config.limits.channelNameBytes);
    return this.#publish(recordKind.room, room, message, 'room');
  }

  /** To every connection. Default type `broadcast`. */
  broadcast(message: OutgoingMessage): PublishVerdict {
    return this.#publish(recordKind.broadcast, '', message, 'broadcast');
  }

  /** Bytes as they are, as the data of a `broadcast` to every connection. */
  broadcastRaw(bytes: Uint8Array): PublishVerdict {
    return this.broadcast({ data: bytes });
  }

  /** To one connection, whose id tells its shard. Default type `message`. */
  send(connectionId: string, message: OutgoingMessage): DirectVerdict {
    const envelope = outgoingEnvelope(message, 'message');
    if (this.#isClosed) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard < 0) return 'not-found';
    return this.#verdict(this.#writer.write(recordKind.send, threadOfShard(shard), connectionId, envelope));
  }

  /** Closes one connection with a code of 1000–1003, 1007–1014 or 3000–4999. Throws `ERR_CLOSE_CODE_INVALID`. */
  disconnect(connectionId: string, code: number = closeCode.normal, reason = ''): DirectVerdict {
    checkClose(code, reason);
    if (this.#isClosed) return 'closed';
    const shard = this.#shardOf(connectionId);
    if (shard < 0) return 'not-found';
    const order: DisconnectOrder = { id: connectionId, code, reason };
    return this.#verdict(this.#writer.writeJson(recordKind.disconnect, threadOfShard(shard), order));
  }

  /**
   * Seals with other keys from here on. What was sealed with the former ones is accepted for `graceMs` more (default
   * 60,000; 0: no longer). Clients must be given the new keys by you, before they get messages sealed with them. Throws
   * `ERR_SECURITY_OFF` without the option `security`, `ERR_KEY_INVALID` for what is no key.
   */
  rotateKeys(keys: SecurityKeys, { graceMs = defaultRotationGraceMs }: { readonly graceMs?: number } = {}): void {
    if (this.#config.security === null) {
      throw new EngineError('ERR_SECURITY_OFF', 'keys can be rotated only if the engine has the option "security"', {
        path: 'security',
      });
    }
    checkGrace(graceMs);
    this.#keys = rotated(this.#keys, keys, graceMs);
    this.#pool.rotateKeys(this.#keys);
    this.#board.countRotation();
  }

  /**
   * Gives new connections another certificate; those there are go on with the one they have. Without `options` the files
   * of the option `tls` are read again. Answers 'unchanged' if it is all the same. Rejects with `ERR_TLS_INVALID`, and
   * keeps the certificate that it has, if the new one is no good; `ERR_TLS_OFF` without the option `tls`;
   * `ERR_TLS_RELOAD_UNSUPPORTED` with the acceptor 'shard'; `ERR_OPTION_INVALID`; `ERR_SHARD_STALLED`.
   */
  async reloadTls(options?: TlsOptions): Promise<TlsReloadVerdict> {
    if (this.#tls === null) {
      throw new EngineError('ERR_TLS_OFF', 'there is a certificate only if the engine has the option "tls"', {
        path: 'tls',
      });
    }
    if (this.#pool.acceptingShard >= 0) {
      const text = 'with the acceptor "shard" a certificate stays as long as the engine';
      throw new EngineError('ERR_TLS_RELOAD_UNSUPPORTED', text, { path: 'acceptor' });
    }
    return this.#tls.reload(options, async (material) => {
      if (this.#isClosed) throw new EngineError('ERR_SHUTTING_DOWN', 'the engine is closed, or about to be');
      await this.#pool.reloadTls(material, stallMs);
    });
  }

  /** Counters of all threads, read from shared memory: no shard is stopped or asked. */
  stats(): EngineStats {
    this.#counters[mainThread]?.set(counter.ringSpilledBytes, this.#bus.producer.spilledBytes);
    const offload = { depth: this.#board.offloadDepth, ...this.#offload.stats };
    return gatherStats({ state: this.#board.engine, memory: this.#memory, offload });
  }

  /** The same as text for Prometheus, of the type `metricsContentType`. No shard is stopped or asked, not even a blocked one. */
  async metrics(): Promise<string> {
    this.#metrics ??= import('./metrics.ts').then((module) => new module.Metrics());
    const metrics = await this.#metrics;
    return metrics.write(this.stats());
  }

  /** What to send `metrics()` with as its `Content-Type`. */
  get metricsContentType(): string {
    return metricsContentType;
  }

  /**
   * Ends in good order: not ready, no new connections, what was published is delivered, clients get 1001, threads end by
   * themselves, all within `graceMs` (default `closeGraceMs`). Rejects with `ERR_SHARD_STALLED` if a thread does not.
   * Calling again waits for the same end.
   */
  async drain({ graceMs = this.#closeGraceMs }: { readonly graceMs?: number } = {}): Promise<void> {
    checkGrace(graceMs);
    this.#closing ??= this.#drain(graceMs);
    await this.#closing;
  }

  /** A drain with the short grace period of `closeGraceMs` (default 1,000). */
  close(): Promise<void> {
    return this.drain({ graceMs: this.#closeGraceMs });
  }

  /**
   * Replaces one shard's thread in good order: it is given no more connections, those that it has are closed with 3001
   * (come back) spread over `graceMs` (default `closeGraceMs`), and a new thread takes its place. Resolves once that is
   * ready. A shard that is lost is only started. Rejects with `ERR_SHARD_RESTARTING`, `ERR_SHARD_STALLED`,
   * `ERR_SHUTTING_DOWN`, or with why the new thread could not start.
   */
  async restartShard(
    shard: number,
    { graceMs = this.#closeGraceMs }: { readonly graceMs?: number } = {},
  ): Promise<void> {
    checkGrace(graceMs);
    checkShard(shard, this.#config.shards);
    if (this.#isClosed) throw new EngineError('ERR_SHUTTING_DOWN', 'the engine is ending: no shard is restarted');
    if (this.#watch?.isStalled(shard) === true) {
      throw new EngineError('ERR_SHARD_STALLED', `shard ${shard} cannot be restarted: its loop is blocked`);
    }
    await this.#pool.restart(shard, graceMs, Math.min(stallMs, this.#config.watchdog?.stalledMs ?? stallMs));
  }

  override removeAllListeners(event?: keyof EngineEvents): this {
    if (event === undefined) {
      super.removeAllListeners();
      this.#watchListeners();
    } else {
      super.removeAllListeners(event);
    }
    this.#updateInterest();
    return this;
  }

  /** Shards forward only what there is a listener for. */
  #watchListeners(): void {
    const emitter = this as unknown as EventEmitter;
    // This event comes before the listener is in place.
    emitter.on('newListener', (name) => this.#updateInterest(name));
    emitter.on('removeListener', () => this.#updateInterest());
  }

  get #isClosed(): boolean {
    return this.#closing !== null || this.#board.engine === 'closed';
  }

  #count(place: number): void {
    this.#counters[mainThread]?.add(place, 1);
  }

  #verdict(verdict: 'written' | 'spilled' | 'overloaded'): PublishVerdict {
    if (verdict !== 'overloaded') return 'queued';
    this.#count(counter.overloaded);
    return 'overloaded';
  }

  #publish(kind: number, name: string, message: OutgoingMessage, defaultType: string): PublishVerdict {
    const channel = kind === recordKind.broadcast ? undefined : name;
    const envelope = outgoingEnvelope(message, defaultType, channel);
    if (this.#isClosed) return 'closed';
    const verdict = this.#verdict(this.#writer.write(kind, targetAll, name, envelope));
    if (verdict === 'queued') this.#count(counter.publishes);
    return verdict;
  }

  #shardOf(connectionId: string): number {
    const shard = typeof connectionId === 'string' ? shardOfConnection(connectionId) : -1;
    return shard < this.#config.shards && this.#pool.isReady(shard) ? shard : -1;
  }

  #updateInterest(coming?: string | symbol): void {
    let bits = 0;
    for (const name of ['connect', 'message', 'disconnect'] as const) {
      if (name === coming || this.listenerCount(name) > 0) bits |= interest[name];
    }
    // Attend first: what a shard forwards once it sees the bits must find a reader.
    for (let shard = 0; shard < this.#config.shards; shard++) {
      if (bits !== 0) this.#bus.attend(threadOfShard(shard));
      else this.#bus.leave(threadOfShard(shard));
    }
    this.#board.interest = bits;
  }

  #visit(kind: number, bytes: Uint8Array, offset: number, length: number): void {
    if (kind === recordKind.onMessage) {
      const { envelope } = this.#reader.read(bytes, offset);
      this.#dispatch('message', new RemoteConnection(envelope.clientId, this), receivedMessage(envelope));
    } else if (kind === recordKind.onConnect) {
      this.#dispatch('connect', new NewConnection(readJsonRecord(bytes, offset, length) as ConnectNotice, this));
    } else if (kind === recordKind.onDisconnect) {
      const { id, code, reason } = readJsonRecord(bytes, offset, length) as DisconnectNotice;
      this.#dispatch('disconnect', new RemoteConnection(id, this), code, reason);
    }
  }

  /** Runs listeners so that what one throws, now or later, stops neither the others nor the engine. */
  #dispatch<K extends keyof EngineEvents>(event: K, ...args: EngineEvents[K]): void {
    for (const listener of this.rawListeners(event)) {
      try {
        const result: unknown = Reflect.apply(listener, this, args);
        if (isThenable(result)) result.then(undefined, (error: unknown) => this.#listenerFailed(event, error));
      } catch (error) {
        this.#listenerFailed(event, error);
      }
    }
  }

  #listenerFailed(event: string, error: unknown): void {
    this.#count(counter.handlerErrors);
    this.#vitals.countHandlerError('listener');
    this.#logger.error({ event, err: error }, `a listener of "${event}" failed`);
  }

  #fault(code: 'ERR_RING_CORRUPT' | 'ERR_SHARD_FAILED', text: string, cause: unknown): void {
    const error = new EngineError(code, text, { cause });
    this.#logger.error({ err: error }, text);
    if (this.listenerCount('error') > 0) this.#dispatch('error', error);
  }

  #onShardGone(shard: number, { how, error }: ShardEnd): void {
    this.#board.setShardOpen(shard, false);
    // It may have had no time to say so.
    new Vitals(this.#memory, threadOfShard(shard)).state = 'ended';
    this.#bus.retire(threadOfShard(shard));
    // It may have been the one that main's own spill queue waited for.
    this.#bus.onDoorbell();
    if (how === 'asked' || this.#isClosed || this.#board.engine === 'starting') return;
    if (how === 'unready') {
      this.#logger.error({ shard, err: error }, 'a shard could not be started again');
      return;
    }
    this.#logger.error({ shard, err: error }, 'a shard is lost');
    this.#dispatch('shard-lost', shard, error);
  }

  #onShardRestarted(shard: number): void {
    this.#logger.info({ shard }, 'a shard was restarted');
    this.#dispatch('shard-restarted', shard);
  }

  #onShardGivenUp(shard: number, cause: EngineError): void {
    if (this.#isClosed) return;
    if (this.#config.restart !== null) {
      this.#fault('ERR_SHARD_FAILED', `shard ${shard} has failed too often and stays lost: ${cause.message}`, cause);
    }
    const isDeaf = this.#pool.acceptingShard === shard;
    const isAnyLeft = Array.from({ length: this.#config.shards }, (_, other) => other).some((other) =>
      this.#pool.hasFuture(other),
    );
    // A listener may have closed the engine.
    if (this.#isClosed || (isAnyLeft && !isDeaf)) return;
    this.#pool.end();
    void this.#pool.stopAccepting(stallMs);
    this.#watch?.close();
    // A probe takes the process for dead or not ready, and whoever watches it starts another one.
    this.#board.engine = 'closed';
    this.#fault('ERR_SHARD_FAILED', isDeaf ? 'the shard that accepts connections is lost' : 'no shard is left', cause);
  }

  #watchShards(): ShardWatch {
    return new ShardWatch({
      config: this.#config,
      memory: this.#memory,
      logger: this.#logger,
      threadId: (shard) => this.#pool.threadId(shard),
      stalled: (shard, stall) => this.#dispatch('stalled', shard, stall),
      recovered: (shard, stall) => this.#dispatch('recovered', shard, stall),
      restart: (shard) => this.restartShard(shard),
    });
  }

  async #drainShards(deadline: number): Promise<boolean> {
    // What was accepted for publishing is in the rings before any shard is told to close its connections.
    await this.#bus.flushed(deadline);
    await this.#pool.settle(deadline);
    const left = Math.max(0, deadline - performance.now());
    return this.#pool.drain(left, left + stallMs);
  }

  async #drain(graceMs: number): Promise<void> {
    this.#board.engine = 'draining';
    this.#pool.end();
    this.#watch?.close();
    this.#vitals.state = 'ending';
    const deadline = performance.now() + graceMs;
    const inTime = (await this.#pool.stopAccepting(graceMs + stallMs)) && (await this.#drainShards(deadline));
    // What shards said last, such as disconnects, is still in their rings.
    this.#bus.settle(settleRounds);
    this.#bus.close();
    this.#reporter.stop();
    this.#vitals.state = 'ended';
    if (!inTime) {
      await this.#offload.close();
      throw new EngineError(
        'ERR_SHARD_STALLED',
        `a shard did not end within ${graceMs + stallMs} ms: its loop is blocked`,
      );
    }
    this.#board.engine = 'closed';
    await this.#offload.close();
    unguardExit(this.#guarded);
  }
}
