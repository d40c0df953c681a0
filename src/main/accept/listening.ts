import { type Duplicate, findDuplicate } from '../../shared/base/descriptors.ts';
import type { LogFields, LogLevel } from '../../shared/bus/ipc.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import { EngineError } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import { mainThread } from '../../shared/memory/engine-memory.ts';
import { endInTime } from '../threads/end-shards.ts';
import type { ShardThread } from '../threads/shard-thread.ts';
import { Acceptor, closeDescriptor } from './acceptor.ts';
import { createPlacement } from './placement.ts';
import { probePort } from './probe-port.ts';
import { ShardAcceptor } from './shard-acceptor.ts';

export interface ListeningOptions {
  readonly config: EngineConfig;
  /** The threads by shard. Code that replaces one calls `shardsChanged`. */
  readonly threads: readonly ShardThread[];
  /** Main's counters first, then those of each shard. */
  readonly counters: readonly Counters[];
  log(level: LogLevel, fields: LogFields, text: string): void;
}

/** How connections reach shards: main accepts and hands them over, or the first shard accepts for all. */
export class Listening {
  readonly #options: ListeningOptions;
  #acceptor: Acceptor | null = null;
  /** Null: main accepts. */
  #shardAcceptor: ShardAcceptor | null = null;
  #loggedSecond = -1;
  /** Shards that may be given connections; cached until the next change. */
  #readyList: readonly number[] | null = null;

  constructor(options: ListeningOptions) {
    this.#options = options;
  }

  /** The shard that accepts for all others; -1: main accepts. */
  get acceptingShard(): number {
    return this.#shardAcceptor === null ? -1 : 0;
  }

  /** Resolves to the port. `handles` are the transports', by shard. */
  async listen(handles: readonly unknown[]): Promise<number> {
    const { config, threads } = this.#options;
    const { acceptor, placement, host, port } = config;
    const duplicate = acceptor === 'shard' ? null : findDuplicate();
    if (duplicate !== null) return this.#listenInMain(duplicate);
    if (acceptor === 'handover') {
      throw new EngineError('ERR_PLACEMENT_UNSUPPORTED', 'descriptors cannot be duplicated on this system', {
        path: 'acceptor',
        given: acceptor,
        allowed: 'auto or shard',
      });
    }
    if (placement.by === 'address') {
      throw new EngineError('ERR_PLACEMENT_UNSUPPORTED', 'the shard acceptor places connections round robin only', {
        path: 'placement.by',
        given: 'address',
        allowed: 'connection',
      });
    }
    const [first] = threads;
    if (first === undefined) throw new EngineError('ERR_SHARD_START_FAILED', 'there is no shard');
    this.#shardAcceptor = new ShardAcceptor(host, handles);
    return this.#shardAcceptor.listen(first, await probePort(host, port));
  }

  /** The set of shards that may be given connections has changed. */
  shardsChanged(): void {
    this.#readyList = null;
  }

  /** A replacement thread is ready, and knows the other threads. */
  async join(thread: ShardThread, handle: unknown): Promise<void> {
    await this.#shardAcceptor?.join(thread, handle, this.#options.threads);
  }

  /** Resolves once no other shard gives connections to this one. */
  async disown(thread: ShardThread): Promise<void> {
    const [first] = this.#options.threads;
    if (first !== thread && first?.isReady === true) await this.#shardAcceptor?.forget(first, thread);
  }

  /** A thread has ended: nobody else can close what it was given and has not taken over. */
  gone(thread: ShardThread): void {
    this.#closeDescriptors(thread.takeOrphans(this.#adopted(thread)));
    this.#shardAcceptor?.gone(thread);
  }

  /**
   * Stops the handing over of connections, which must happen before any shard closes its App. False: the shard that
   * accepts for all has not stopped within `timeoutMs`, and no App may be closed.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    await this.#acceptor?.close();
    const { threads } = this.#options;
    const accepting = threads[this.acceptingShard];
    if (accepting?.isReady !== true) return true;
    return endInTime(threads, accepting.stopListening(), timeoutMs);
  }

  #listenInMain(duplicate: Duplicate): Promise<number> {
    const { config } = this.#options;
    this.#acceptor = new Acceptor({
      config,
      place: createPlacement(config.placement.by),
      duplicate,
      shards: () => this.#readyShards(),
      handOver: (shard, descriptors) => this.#handOver(shard, descriptors),
      failed: (reason) => this.#acceptFailed(reason),
      peerLeft: () => this.#count(counter.handshakesAbandoned),
    });
    return this.#acceptor.listen();
  }

  #readyShards(): readonly number[] {
    this.#readyList ??= this.#options.threads.filter((thread) => thread.isPlaceable).map((thread) => thread.shard);
    return this.#readyList;
  }

  #handOver(shard: number, descriptors: readonly number[]): void {
    const thread = this.#options.threads[shard];
    if (thread?.isReady === true) thread.handOver(descriptors, this.#adopted(thread));
    else this.#closeDescriptors(descriptors);
  }

  /** How many descriptors the shard has adopted so far. */
  #adopted(thread: ShardThread): number {
    return this.#options.counters[thread.thread]?.get(counter.descriptorsAdopted) ?? 0;
  }

  #acceptFailed(reason: string): void {
    this.#count(counter.acceptErrors);
    const second = Math.floor(performance.now() / 1000);
    // The counter has the number. A log line at most once a second shows that it happens.
    if (second === this.#loggedSecond) return;
    this.#loggedSecond = second;
    this.#options.log('warn', { reason }, 'connections could not be accepted');
  }

  #closeDescriptors(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) {
      this.#count(counter.acceptErrors);
      closeDescriptor(descriptor);
    }
  }

  #count(place: number): void {
    this.#options.counters[mainThread]?.add(place, 1);
  }
}
