import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import type { EngineConfig } from '../shared/config.ts';
import { shardOfConnection } from '../shared/connection-id.ts';
import { type Counters, counter } from '../shared/counters.ts';
import { type EngineMemory, shardOfThread } from '../shared/engine-memory.ts';
import { EngineError } from '../shared/errors/index.ts';
import { doorbell, type FromShard, type LogFields, type LogLevel, type ShardJob } from '../shared/ipc.ts';
import type { KeyRing } from '../shared/key-ring.ts';
import { type OffloadOutcome, type OffloadRequest, outcomeTransfer } from '../shared/offload.ts';
import { dismissConsumer } from '../shared/ring/index.ts';
import { Acceptor, closeDescriptor, type Duplicate, findDuplicate } from './acceptor.ts';
import { NameRegister } from './name-register.ts';
import { createPlacement } from './placement.ts';
import { ShardThread } from './shard-thread.ts';

export interface ShardPoolOptions {
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly keys: KeyRing;
  /** Main's counters first, then those of each shard. */
  readonly counters: readonly Counters[];
  /** A shard rang: something is in a ring for main. */
  doorbell(): void;
  /** Work for the pool. Never rejects; null: the shard has to do it. */
  offload(job: ShardJob): Promise<OffloadOutcome | null>;
  log(level: LogLevel, fields: LogFields, text: string): void;
  /** A shard's thread has ended, and nothing waits for it any more. `error`: it was not asked to. */
  gone(shard: number, error: EngineError | null): void;
}

/** The shards' threads, seen from main: starts them, gives them connections, notices when one is gone, ends them. */
export class ShardPool {
  readonly #options: ShardPoolOptions;
  readonly #threads: readonly ShardThread[];
  readonly #names: NameRegister | null;
  /** The transports' handles, by shard, while the first shard accepts for all; else empty. */
  #handles: readonly unknown[] = [];
  #acceptor: Acceptor | null = null;
  #loggedSecond = -1;
  /** Shards that are ready, until that changes. */
  #readyList: readonly number[] | null = null;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    const { config, memory, keys } = options;
    this.#names = config.duplicateName === 'allow' ? null : new NameRegister(config.duplicateName);
    this.#threads = Array.from(
      { length: config.shards },
      (_, shard) =>
        new ShardThread(shard, config, memory, keys, {
          message: (thread, message) => this.#onMessage(thread, message),
          gone: (thread, error) => this.#onGone(thread, error),
        }),
    );
  }

  isReady(shard: number): boolean {
    return this.#threads[shard]?.isReady === true;
  }

  readyShards(): readonly number[] {
    this.#readyList ??= this.#threads.filter((thread) => thread.isReady).map((thread) => thread.shard);
    return this.#readyList;
  }

  /** The shard that accepts for all others; -1: main accepts. */
  get acceptingShard(): number {
    return this.#handles.length === 0 ? -1 : 0;
  }

  /** Resolves to the port once every shard is ready and the port answers. Rejects if that takes too long. */
  async start(timeoutMs: number): Promise<number> {
    const handles = await this.#allReady(timeoutMs);
    this.#readyList = null;
    this.#introduce();
    return this.#listen(handles);
  }

  async #allReady(timeoutMs: number): Promise<readonly unknown[]> {
    const timer = new AbortController();
    const late = sleep(timeoutMs, null, { signal: timer.signal }).catch(() => null);
    try {
      const handles = await Promise.race([Promise.all(this.#threads.map((thread) => thread.ready)), late]);
      if (handles !== null) return handles;
    } finally {
      timer.abort();
    }
    const slow = this.#threads.find((thread) => !thread.isReady)?.shard;
    const text = `shard ${slow} was not ready within ${timeoutMs} ms: does its handler module finish loading?`;
    throw new EngineError('ERR_SHARD_START_FAILED', text);
  }

  /** Rings a thread's doorbell. */
  ring(thread: number): void {
    this.#threads[shardOfThread(thread)]?.post(doorbell);
  }

  /** Gives every shard new keys, which it takes as soon as the rotation is counted. */
  rotateKeys(keys: KeyRing): void {
    for (const thread of this.#threads) thread.rotateKeys(keys);
  }

  /** Asks a shard to close its App at once: the process is leaving. */
  abandon(shard: number): void {
    this.#threads[shard]?.post({ kind: 'abandon' });
  }

  /**
   * Before any shard closes its App, nobody may hand it a connection. False: the shard that accepts for all has not
   * stopped within `timeoutMs`, and no App may be closed.
   */
  async stopAccepting(timeoutMs: number): Promise<boolean> {
    await this.#acceptor?.close();
    const accepting = this.#threads[this.acceptingShard];
    if (accepting?.isReady !== true) return true;
    return this.#inTime(accepting.stopListening(), timeoutMs);
  }

  /** Resolves once every shard's spill queue is empty, or at `deadline` (as `performance.now()`). */
  async settle(deadline: number): Promise<void> {
    const at = Date.now() + deadline - performance.now();
    const timer = new AbortController();
    const settled = this.readyShards().map((shard) => this.#threads[shard]?.settle(at));
    await Promise.race([
      Promise.all(settled),
      sleep(Math.max(0, at - Date.now()), undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
  }

  /** Lets every shard drain. False: one of them has not ended within `timeoutMs`. */
  async drain(graceMs: number, timeoutMs: number): Promise<boolean> {
    for (const thread of this.#threads) thread.post({ kind: 'drain', graceMs });
    return this.#inTime(Promise.all(this.#threads.map((thread) => thread.exited)), timeoutMs);
  }

  /** False: `done` has not come within `timeoutMs`; then the threads do not keep the process. */
  async #inTime(done: Promise<unknown>, timeoutMs: number): Promise<boolean> {
    const timer = new AbortController();
    const late = sleep(timeoutMs, false, { signal: timer.signal }).catch(() => false);
    const inTime = await Promise.race([done.then(() => true), late]);
    timer.abort();
    if (!inTime) for (const thread of this.#threads) thread.unref();
    return inTime;
  }

  /** Gives every pair of shards a port for each other's doorbells; with it they begin to read each other's rings. */
  #introduce(): void {
    for (const [index, one] of this.#threads.entries()) {
      for (const other of this.#threads.slice(index + 1)) {
        const { port1, port2 } = new MessageChannel();
        one.post({ kind: 'peer', thread: other.thread, port: port1 }, [port1]);
        other.post({ kind: 'peer', thread: one.thread, port: port2 }, [port2]);
      }
    }
  }

  #listen(handles: readonly unknown[]): Promise<number> {
    const { acceptor, placement, host, port } = this.#options.config;
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
    const [first] = this.#threads;
    if (first === undefined) throw new EngineError('ERR_SHARD_START_FAILED', 'there is no shard');
    this.#handles = handles;
    return first.listen(host, port, handles);
  }

  #listenInMain(duplicate: Duplicate): Promise<number> {
    const { config } = this.#options;
    this.#acceptor = new Acceptor({
      config,
      place: createPlacement(config.placement.by),
      duplicate,
      shards: () => this.readyShards(),
      handOver: (shard, descriptors) => this.#handOver(shard, descriptors),
      failed: (reason) => this.#acceptFailed(reason),
      peerLeft: () => this.#options.counters[0]?.add(counter.handshakesAbandoned, 1),
    });
    return this.#acceptor.listen();
  }

  #acceptFailed(reason: string): void {
    this.#options.counters[0]?.add(counter.acceptErrors, 1);
    const second = Math.floor(performance.now() / 1000);
    // The counter tells how many; one line a second tells that it happens.
    if (second === this.#loggedSecond) return;
    this.#loggedSecond = second;
    this.#options.log('warn', { reason }, 'connections could not be accepted');
  }

  #handOver(shard: number, descriptors: readonly number[]): void {
    const thread = this.#threads[shard];
    if (thread?.isReady === true) thread.handOver(descriptors, this.#adopted(thread));
    else this.#closeDescriptors(descriptors);
  }

  /** How many descriptors the shard has taken over so far. */
  #adopted(thread: ShardThread): number {
    return this.#options.counters[thread.thread]?.get(counter.descriptorsAdopted) ?? 0;
  }

  #closeDescriptors(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) {
      this.#options.counters[0]?.add(counter.acceptErrors, 1);
      closeDescriptor(descriptor);
    }
  }

  #onMessage(thread: ShardThread, message: FromShard): void {
    if (typeof message === 'number') {
      this.#options.doorbell();
      return;
    }
    switch (message.kind) {
      case 'log':
        this.#options.log(message.level, message.fields, message.text);
        break;
      case 'claim-name':
        this.#claimName(thread, message.claim, message.name, message.connection);
        break;
      case 'offload':
        void this.#offload(thread, message.request);
        break;
      case 'failed':
        this.#onFailed(thread);
        break;
      case 'app-forgotten':
        this.#threads[shardOfThread(message.thread)]?.post({ kind: 'abandon' });
        break;
      case 'release-name':
        this.#names?.release(message.name, message.connection);
        break;
    }
  }

  async #offload(thread: ShardThread, { id, job }: OffloadRequest<ShardJob>): Promise<void> {
    const outcome = await this.#options.offload(job);
    // To a thread that is gone this does nothing.
    thread.post({ kind: 'offloaded', answer: { id, outcome } }, outcomeTransfer(outcome));
  }

  #claimName(thread: ShardThread, claim: number, name: string, connection: string): void {
    const verdict = this.#names?.claim(name, connection) ?? { granted: true, replaced: null };
    if (verdict.replaced !== null) {
      const holder = this.#threads[shardOfConnection(verdict.replaced)];
      if (holder?.isReady === true) holder.post({ kind: 'name-replaced', connection: verdict.replaced });
    }
    thread.post({ kind: 'name-answer', claim, granted: verdict.granted });
  }

  /** A shard waits for leave to close its App: no connection may be handed to it any more. */
  #onFailed(failed: ShardThread): void {
    this.#readyList = null;
    const [first] = this.#threads;
    if (this.#handles.length === 0 || first === undefined || first === failed || !first.isReady) {
      failed.post({ kind: 'abandon' });
      return;
    }
    first.post({ kind: 'forget-app', app: this.#handles[failed.shard], thread: failed.thread });
  }

  #onGone(gone: ShardThread, error: EngineError | null): void {
    this.#readyList = null;
    this.#closeDescriptors(gone.takeOrphans(this.#adopted(gone)));
    this.#names?.releaseAll((connection) => shardOfConnection(connection) === gone.shard);
    // A reader that is gone must not hold the others' rings back. Whoever waited for it looks again on `peer-gone`.
    for (const ring of this.#options.memory.rings) dismissConsumer(ring, gone.thread);
    for (const thread of this.#threads) {
      if (thread.isReady) thread.post({ kind: 'peer-gone', thread: gone.thread });
    }
    this.#options.gone(gone.shard, error);
  }
}
