import { MessageChannel } from 'node:worker_threads';
import { doorbell } from '../shared/bus/ipc.ts';
import type { EngineConfig, TransportFacts } from '../shared/config/config.ts';
import type { KeyRing } from '../shared/config/key-ring.ts';
import type { TlsMaterial } from '../shared/config/tls.ts';
import { EngineError } from '../shared/errors/index.ts';
import { ConnectionTally } from '../shared/memory/connection-tally.ts';
import { type Counters, counter } from '../shared/memory/counters.ts';
import { type EngineMemory, shardOfThread, threadOfShard } from '../shared/memory/engine-memory.ts';
import { dismissConsumer } from '../shared/ring/index.ts';
import { Listening } from './accept/listening.ts';
import { readyInTime } from './threads/ready-in-time.ts';
import { retireShard } from './threads/retire-shard.ts';
import { type RequestServices, ShardRequests } from './threads/shard-requests.ts';
import { ShardThread } from './threads/shard-thread.ts';
import { Supervisor } from './threads/supervisor.ts';
import { ShardCertificate } from './tls/shard-certificate.ts';

export interface ShardPoolOptions extends RequestServices {
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly keys: KeyRing;
  /** Null: plain TCP. */
  readonly tls: TlsMaterial | null;
  /** Main's counters first, then those of each shard. */
  readonly counters: readonly Counters[];
  /** A shard rang its doorbell: a ring has records for main. */
  doorbell(): void;
  /** Time that a thread may take to be ready. */
  readonly startTimeoutMs: number;
  /** A shard's thread has ended, and nothing waits for it any more. */
  gone(shard: number, end: ShardEnd): void;
  /** A replacement thread of the shard takes part. */
  restarted(shard: number): void;
  /** A shard has ended and will not be replaced. */
  gaveUp(shard: number, error: EngineError): void;
}

/** How a thread ended: as asked, by itself, or by itself before it was ready. */
export interface ShardEnd {
  readonly how: 'asked' | 'lost' | 'unready';
  readonly error: EngineError;
}

/** The shards' threads, seen from main: starts them, introduces them to each other, and replaces ended ones. */
export class ShardPool {
  /** The present threads by shard; for lost shards, their last threads. */
  readonly threads: readonly ShardThread[];
  readonly listening: Listening;
  readonly certificate: ShardCertificate;
  readonly #options: ShardPoolOptions;
  readonly #threads: ShardThread[] = [];
  readonly #requests: ShardRequests;
  readonly #supervisor: Supervisor;
  readonly #tally: ConnectionTally | null;
  /** The certificate of all shards. A blocked shard takes it once its loop turns. */
  #keys: KeyRing;
  /** True from the end of the start to the beginning of the end. */
  #isRunning = false;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    const { config, memory, counters, keys, tls } = options;
    this.#keys = keys;
    this.threads = this.#threads;
    this.certificate = new ShardCertificate(this.#threads, tls);
    const log: ShardPoolOptions['log'] = (level, fields, text) => options.log(level, fields, text);
    this.listening = new Listening({ config, threads: this.#threads, counters, log });
    this.#requests = new ShardRequests(this.#threads, config.duplicateName, options);
    this.#tally = memory.tally === null ? null : new ConnectionTally(memory.tally, config.limits);
    this.#supervisor = new Supervisor({
      restart: config.restart,
      shards: config.shards,
      start: (shard) => this.#replace(shard),
      restarted: (shard) => options.restarted(shard),
      gaveUp: (shard, error) => options.gaveUp(shard, error),
    });
    for (let shard = 0; shard < config.shards; shard++) this.#threads.push(this.#create(shard));
  }

  #create(shard: number): ShardThread {
    const { config, memory, counters } = this.#options;
    return new ShardThread({
      shard,
      config,
      memory,
      keys: this.#keys,
      tls: this.certificate.material,
      adopted: counters[threadOfShard(shard)]?.get(counter.descriptorsAdopted) ?? 0,
      replies: this.#requests.replies,
      events: {
        doorbell: () => this.#options.doorbell(),
        notice: (thread, notice) => this.#requests.notice(thread, notice),
        failed: (thread) => this.#onFailed(thread),
        gone: (thread, error) => this.#onGone(thread, error),
      },
    });
  }

  isReady(shard: number): boolean {
    return this.#threads[shard]?.isReady === true;
  }

  /** Resolves to the port once every shard is ready and the port answers. Rejects if that takes too long. */
  async start(): Promise<number> {
    const handles = await readyInTime(this.#threads, this.#options.startTimeoutMs);
    for (const thread of this.#threads) this.#introduce(thread);
    return this.listening.listen(handles);
  }

  /** The engine is ready: from here on lost shards are replaced. */
  supervise(): void {
    this.#isRunning = true;
    // A thread may have ended between its start and now.
    for (const thread of this.#threads) if (thread.isGone) this.#lost(thread, null);
  }

  /** From here on no thread is started. */
  end(): void {
    this.#isRunning = false;
    this.#supervisor.close();
  }

  /** Whether any shard runs, or will be restarted by itself. */
  get hasFuture(): boolean {
    return this.#threads.some((thread) => !this.#supervisor.hasGivenUp(thread.shard));
  }

  /** Of all shards. Null: none is ready yet. */
  get transport(): TransportFacts | null {
    return this.#threads.find((thread) => thread.transport !== null)?.transport ?? null;
  }

  /** Id of the shard's thread in this process while it is ready; else -1. */
  threadId(shard: number): number {
    const thread = this.#threads[shard];
    return thread?.isReady === true ? thread.threadId : -1;
  }

  /**
   * Ends a shard in good order and starts it again; a lost shard is only started. Resolves once the new thread takes
   * part.
   */
  async restart(shard: number, graceMs: number, stallMs: number): Promise<void> {
    const thread = this.#threads[shard];
    if (thread === undefined) return;
    if (thread.isLeaving || !(thread.isReady || thread.isGone) || (thread.isGone && !this.#isWaitingOrLost(shard))) {
      throw new EngineError('ERR_SHARD_RESTARTING', `shard ${shard} is being restarted`);
    }
    const leaving = (): void => this.listening.shardsChanged();
    const disown = (): Promise<void> => this.listening.disown(thread);
    if (!thread.isGone) await retireShard(thread, { graceMs, stallMs, leaving, disown });
    this.#checkRunning();
    this.#supervisor.takeOver(shard);
    try {
      await this.#replace(shard);
    } catch (error) {
      // If the engine is ending, that is the reason.
      this.#checkRunning();
      throw error;
    }
    this.#options.restarted(shard);
  }

  #isWaitingOrLost(shard: number): boolean {
    return this.#supervisor.isWaiting(shard) || this.#supervisor.hasGivenUp(shard);
  }

  #checkRunning(): void {
    if (!this.#isRunning)
      throw new EngineError('ERR_SHUTTING_DOWN', 'the engine is ending: no shard is started any more');
  }

  /** Starts a thread to replace an ended one. Resolves once it takes part. */
  async #replace(shard: number): Promise<void> {
    const { startTimeoutMs, counters } = this.#options;
    const thread = this.#create(shard);
    this.#threads[shard] = thread;
    try {
      const [handle] = await readyInTime([thread], startTimeoutMs);
      this.#checkRunning();
      // It knows the other threads before it is given connections.
      this.#introduce(thread);
      await this.listening.join(thread, handle);
    } catch (error) {
      // The end of the thread is reported as the failure. If the engine is ending, the thread was asked to end anyway.
      if (error instanceof EngineError) thread.blame(error);
      thread.post({ kind: 'abandon' });
      throw error;
    }
    counters[thread.thread]?.add(counter.restarts, 1);
  }

  /**
   * Gives a shard and each other shard a port for each other's doorbells. With the port they also read each other's
   * rings.
   */
  #introduce(one: ShardThread): void {
    for (const other of this.#threads) {
      if (other === one || !other.isIntroduced || other.isGone) continue;
      const { port1, port2 } = new MessageChannel();
      one.post({ kind: 'peer', thread: other.thread, port: port1 }, [port1]);
      other.post({ kind: 'peer', thread: one.thread, port: port2 }, [port2]);
    }
    one.isIntroduced = true;
    this.listening.shardsChanged();
  }

  /** Rings a thread's doorbell. */
  ring(thread: number): void {
    this.#threads[shardOfThread(thread)]?.post(doorbell);
  }

  /** Gives every shard new keys. A shard takes them as soon as the rotation is counted. */
  rotateKeys(keys: KeyRing): void {
    this.#keys = keys;
    for (const thread of this.#threads) thread.rotateKeys(keys);
  }

  /** Asks a shard to close its App at once: the process is exiting. */
  abandon(shard: number): void {
    this.#threads[shard]?.post({ kind: 'abandon' });
  }

  /** A shard waits for leave to close its App: no connection may be handed to it any more. */
  #onFailed(failed: ShardThread): void {
    this.listening.shardsChanged();
    const abandon = (): void => failed.post({ kind: 'abandon' });
    this.listening.disown(failed).then(abandon, abandon);
  }

  #onGone(gone: ShardThread, error: EngineError | null): void {
    this.listening.shardsChanged();
    this.listening.gone(gone);
    this.#requests.gone(gone.shard);
    this.#tally?.clear(gone.shard);
    // An ended reader must not hold the others' rings back. Producers that waited for it look again on `peer-gone`.
    for (const ring of this.#options.memory.rings) dismissConsumer(ring, gone.thread);
    this.#options.counters[gone.thread]?.settleAfterEnd();
    for (const thread of this.#threads) {
      if (thread.isIntroduced && !thread.isGone) thread.post({ kind: 'peer-gone', thread: gone.thread });
    }
    this.#lost(gone, error);
  }

  #lost(gone: ShardThread, told: EngineError | null): void {
    const { shard } = gone;
    const error = told ?? new EngineError('ERR_SHARD_FAILED', `shard ${shard} ended`);
    const asked = gone.isLeaving && told === null;
    this.#options.gone(shard, { how: asked ? 'asked' : gone.isIntroduced ? 'lost' : 'unready', error });
    if (!this.#isRunning) return;
    if (gone.isOverdue) this.#supervisor.startNow(shard);
    else if (!gone.isLeaving) this.#supervisor.lost(shard, error);
  }
}
