import { EventEmitter } from 'node:events';
import type { KeyRing } from '../shared/config/key-ring.ts';
import { metricsContentType } from '../shared/config/metrics-type.ts';
import { closeCode, EngineError } from '../shared/errors/index.ts';
import { counter } from '../shared/memory/counters.ts';
import type { OutgoingMessage } from '../shared/message/message.ts';
import type { DirectVerdict, PublishVerdict } from '../shared/message/verdict.ts';
import type { EngineEvents } from './api/engine-events.ts';
import { rotated } from './api/key-rotation.ts';
import { drainEngine } from './drain-engine.ts';
import { EngineCore, type EngineParts } from './engine-core.ts';
import { checkGrace, checkShard } from './options/call-arguments.ts';
import type { SecurityKeys, TlsOptions } from './options/engine-options.ts';
import type { CompiledOptions } from './options/options.ts';
import type { Metrics } from './stats/metrics.ts';
import { type EngineStats, gatherStats } from './stats/stats.ts';
import { stallMs } from './threads/end-shards.ts';
import type { TlsKeeper, TlsReloadVerdict } from './tls/tls-keeper.ts';

const defaultRotationGraceMs = 60_000;

/**
 * A running engine, made by `startEngine`. Listeners run in the main thread. What they throw is caught, counted and
 * logged.
 */
export class Engine extends EventEmitter<EngineEvents> {
  readonly #core: EngineCore;
  readonly #closeGraceMs: number;
  /** Null: the engine has no `tls` option. */
  readonly #tls: TlsKeeper | null;
  /** Null: the engine has not been started. */
  #metrics: Promise<Metrics> | null = null;
  #keys: KeyRing;
  #port = 0;
  #closing: Promise<void> | null = null;

  /** @internal Use `startEngine`. */
  constructor(options: CompiledOptions, parts: EngineParts = {}, tls: TlsKeeper | null = null) {
    super();
    this.#closeGraceMs = options.closeGraceMs;
    this.#keys = options.keys;
    this.#tls = tls;
    this.#core = new EngineCore(options, this, parts, tls);
  }

  /** @internal Resolves once the port answers. Rejects if it cannot, and leaves nothing behind. */
  async start(): Promise<void> {
    try {
      // Loaded while the shards' threads start, not with the first page: a process without free descriptors cannot load
      // a module.
      this.#metrics = import('./stats/metrics.ts').then((module) => new module.Metrics());
      [this.#port] = await Promise.all([this.#core.start(), this.#metrics]);
      // The first reading, used when a later one fails.
      this.stats();
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
    return this.#core.config.shards;
  }

  /** To all subscribers of a channel, on every shard. Default type `message`. Throws `ERR_MESSAGE_INVALID`. */
  publish(channel: string, message: OutgoingMessage): PublishVerdict {
    return this.#core.publisher.publishMessage('channel', channel, message);
  }

  /** Bytes as they are, as the data of a `message` on a channel. */
  publishRaw(channel: string, bytes: Uint8Array): PublishVerdict {
    return this.publish(channel, { data: bytes });
  }

  /** To all members of a room. Default type `room`; the envelope's channel is the room. */
  publishToRoom(room: string, message: OutgoingMessage): PublishVerdict {
    return this.#core.publisher.publishMessage('room', room, message);
  }

  /** To every connection. Default type `broadcast`. */
  broadcast(message: OutgoingMessage): PublishVerdict {
    return this.#core.publisher.publishMessage('everyone', '', message);
  }

  /** Bytes as they are, as the data of a `broadcast` to every connection. */
  broadcastRaw(bytes: Uint8Array): PublishVerdict {
    return this.broadcast({ data: bytes });
  }

  /** To one connection, whose id tells its shard. Default type `message`. */
  send(connectionId: string, message: OutgoingMessage): DirectVerdict {
    return this.#core.publisher.sendMessage(connectionId, message);
  }

  /** Closes one connection with a code of 1000–1003, 1007–1014 or 3000–4999. Throws `ERR_CLOSE_CODE_INVALID`. */
  disconnect(connectionId: string, code: number = closeCode.normal, reason = ''): DirectVerdict {
    return this.#core.publisher.orderDisconnect(connectionId, code, reason);
  }

  /**
   * Seals with other keys from now on. Frames sealed with the former keys are accepted for `graceMs` more (default
   * 60,000; 0: no longer). You must give clients the new keys before they get messages sealed with them. Throws
   * `ERR_SECURITY_OFF` without the option `security`, `ERR_KEY_INVALID` for an invalid key.
   */
  rotateKeys(keys: SecurityKeys, { graceMs = defaultRotationGraceMs }: { readonly graceMs?: number } = {}): void {
    if (this.#core.config.security === null) {
      throw new EngineError('ERR_SECURITY_OFF', 'keys can be rotated only if the engine has the option "security"', {
        path: 'security',
      });
    }
    checkGrace(graceMs);
    this.#keys = rotated(this.#keys, keys, graceMs);
    this.#core.pool.rotateKeys(this.#keys);
    this.#core.board.countRotation();
  }

  /**
   * Gives new connections another certificate; existing connections keep theirs. Without `options` it reads the files
   * of the option `tls` again. Resolves to 'unchanged' if certificate, key and settings are the same. Rejects with
   * `ERR_TLS_INVALID` if the new certificate is not valid, and keeps the present one. Rejects with `ERR_TLS_OFF`
   * without the option `tls`; `ERR_TLS_RELOAD_UNSUPPORTED` with the acceptor 'shard'; `ERR_OPTION_INVALID`;
   * `ERR_SHARD_STALLED`.
   */
  async reloadTls(options?: TlsOptions): Promise<TlsReloadVerdict> {
    if (this.#tls === null) {
      throw new EngineError('ERR_TLS_OFF', 'there is a certificate only if the engine has the option "tls"', {
        path: 'tls',
      });
    }
    const { board, pool } = this.#core;
    if (pool.listening.acceptingShard >= 0) {
      const text = 'with the acceptor "shard" the certificate cannot be replaced';
      throw new EngineError('ERR_TLS_RELOAD_UNSUPPORTED', text, { path: 'acceptor' });
    }
    return this.#tls.reload(options, async (material) => {
      if (board.isEnding) throw new EngineError('ERR_SHUTTING_DOWN', 'the engine is closed, or about to be');
      await pool.certificate.reload(material, stallMs);
    });
  }

  /** Counters of all threads, read from shared memory: no shard is stopped or asked. */
  stats(): EngineStats {
    const { board, bus, counters, memory, offload, pool } = this.#core;
    counters.set(counter.ringSpilledBytes, bus.producer.spilledBytes);
    return gatherStats({
      state: board.engine,
      memory,
      transport: pool.transport,
      offload: { depth: board.offloadDepth, ...offload.stats },
    });
  }

  /**
   * The same as text for Prometheus, of the type `metricsContentType`. It stops or asks no shard, so it works while a
   * shard is blocked.
   */
  async metrics(): Promise<string> {
    if (this.#metrics === null) throw new EngineError('ERR_SHARD_START_FAILED', 'the engine was not started');
    const metrics = await this.#metrics;
    return metrics.write(this.stats());
  }

  /** The `Content-Type` for `metrics()`. */
  get metricsContentType(): string {
    return metricsContentType;
  }

  /**
   * Ends in good order within `graceMs` (default `closeGraceMs`): the engine is not ready and accepts no connections,
   * published messages are delivered, clients get 1001, threads end. Rejects with `ERR_SHARD_STALLED` if a thread does
   * not end. A second call waits for the same end.
   */
  async drain({ graceMs = this.#closeGraceMs }: { readonly graceMs?: number } = {}): Promise<void> {
    checkGrace(graceMs);
    this.#closing ??= drainEngine(this.#core, graceMs);
    await this.#closing;
  }

  /** A drain with the short grace period of `closeGraceMs` (default 1,000). */
  close(): Promise<void> {
    return this.drain({ graceMs: this.#closeGraceMs });
  }

  /**
   * Replaces one shard's thread in good order. The shard gets no more connections, its connections are closed with 3001
   * (come back) spread over `graceMs` (default `closeGraceMs`), and a new thread takes its place. Resolves once the new
   * thread is ready. A lost shard is only started. Rejects with `ERR_SHARD_RESTARTING`, `ERR_SHARD_STALLED`,
   * `ERR_SHUTTING_DOWN`, or with the reason why the new thread could not start.
   */
  async restartShard(
    shard: number,
    { graceMs = this.#closeGraceMs }: { readonly graceMs?: number } = {},
  ): Promise<void> {
    checkGrace(graceMs);
    const { board, config, pool, watch } = this.#core;
    checkShard(shard, config.shards);
    if (board.isEnding) throw new EngineError('ERR_SHUTTING_DOWN', 'the engine is ending: no shard is restarted');
    if (watch?.isStalled(shard) === true) {
      throw new EngineError('ERR_SHARD_STALLED', `shard ${shard} cannot be restarted: its loop is blocked`);
    }
    await pool.restart(shard, graceMs, Math.min(stallMs, config.watchdog?.stalledMs ?? stallMs));
  }

  override removeAllListeners(event?: keyof EngineEvents): this {
    if (event === undefined) {
      super.removeAllListeners();
      this.#core.connectionEvents.watchListeners();
    } else {
      super.removeAllListeners(event);
    }
    this.#core.connectionEvents.update();
    return this;
  }
}
