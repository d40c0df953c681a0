import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import type { EngineConfig } from '../shared/config.ts';
import { shardOfConnection } from '../shared/connection-id.ts';
import { ConnectionTally } from '../shared/connection-tally.ts';
import { type Counters, counter } from '../shared/counters.ts';
import { type EngineMemory, shardOfThread, threadOfShard } from '../shared/engine-memory.ts';
import { closeCode, EngineError, errorText } from '../shared/errors/index.ts';
import { doorbell, type FromShard, type LogFields, type LogLevel, type ShardJob } from '../shared/ipc.ts';
import type { KeyRing } from '../shared/key-ring.ts';
import { type OffloadOutcome, type OffloadRequest, outcomeTransfer } from '../shared/offload.ts';
import { dismissConsumer } from '../shared/ring/index.ts';
import type { TlsMaterial } from '../shared/tls.ts';
import { Acceptor, closeDescriptor, type Duplicate, findDuplicate } from './acceptor.ts';

import { NameRegister } from './name-register.ts';
import { createPlacement } from './placement.ts';
import { probePort } from './probe-port.ts';
import { readyInTime } from './ready-in-time.ts';
import { retireShard } from './retire-shard.ts';
import { ShardAcceptor } from './shard-acceptor.ts';
import { ShardThread } from './shard-thread.ts';
import { Supervisor } from './supervisor.ts';

export interface ShardPoolOptions {
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly keys: KeyRing;
  /** Null: plain TCP. */
  readonly tls: TlsMaterial | null;
  /** Main's counters first, then those of each shard. */
  readonly counters: readonly Counters[];
  /** A shard rang: something is in a ring for main. */
  doorbell(): void;
  /** Work for the pool. Never rejects; null: the shard has to do it. */
  offload(job: ShardJob): Promise<OffloadOutcome | null>;
  log(level: LogLevel, fields: LogFields, text: string): void;
  /** The page for Prometheus. */
  metrics(): Promise<string>;
  /** How long a thread may take to be ready. */
  readonly startTimeoutMs: number;
  /** A shard's thread has ended, and nothing waits for it any more. */
  gone(shard: number, end: ShardEnd): void;
  /** Another thread has taken the shard's place and takes part. */
  restarted(shard: number): void;
  /** A shard has ended and will not be replaced. */
  gaveUp(shard: number, error: EngineError): void;
}

/** How a thread ended: as it was asked to, by itself, or by itself before it was ready. */
export interface ShardEnd {
  readonly how: 'asked' | 'lost' | 'unready';
  readonly error: EngineError;
}

/** The shards' threads, seen from main: starts them, gives them connections, notices when one is gone, ends them. */
export class ShardPool {
  readonly #options: ShardPoolOptions;
  /** By shard: the present ones, or the last ones of shards that are lost. */
  readonly #threads: ShardThread[];
  readonly #supervisor: Supervisor;
  readonly #names: NameRegister | null;
  readonly #tally: ConnectionTally | null;
  #acceptor: Acceptor | null = null;
  /** Null: main accepts. */
  #shardAcceptor: ShardAcceptor | null = null;
  #loggedSecond = -1;
  /** What shards have, or will once they go on. */
  #tls: TlsMaterial | null;
  #keys: KeyRing;
  /** From the end of the start to the beginning of the end. */
  #isRunning = false;
  /** Shards that may be given connections, until that changes. */
  #readyList: readonly number[] | null = null;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    const { config, memory, keys, tls } = options;
    this.#keys = keys;
    this.#tls = tls;
    this.#tally = memory.tally === null ? null : new ConnectionTally(memory.tally, config.limits);
    this.#supervisor = new Supervisor({
      restart: config.restart,
      shards: config.shards,
      start: (shard) => this.#replace(shard),
      restarted: (shard) => options.restarted(shard),
      gaveUp: (shard, error) => options.gaveUp(shard, error),
    });
    this.#names = config.duplicateName === 'allow' ? null : new NameRegister(config.duplicateName);
    this.#threads = Array.from({ length: config.shards }, (_, shard) => this.#create(shard));
  }

  #create(shard: number): ShardThread {
    const { config, memory, counters } = this.#options;
    const adopted = counters[threadOfShard(shard)]?.get(counter.descriptorsAdopted) ?? 0;
    return new ShardThread(shard, config, memory, this.#keys, this.#tls, adopted, {
      message: (thread, message) => this.#onMessage(thread, message),
      gone: (thread, error) => this.#onGone(thread, error),
    });
  }

  isReady(shard: number): boolean {
    return this.#threads[shard]?.isReady === true;
  }

  readyShards(): readonly number[] {
    this.#readyList ??= this.#threads.filter((thread) => thread.isPlaceable).map((thread) => thread.shard);
    return this.#readyList;
  }

  /** The shard that accepts for all others; -1: main accepts. */
  get acceptingShard(): number {
    return this.#shardAcceptor === null ? -1 : 0;
  }

  /** Resolves to the port once every shard is ready and the port answers. Rejects if that takes too long. */
  async start(): Promise<number> {
    const handles = await readyInTime(this.#threads, this.#options.startTimeoutMs);
    for (const thread of this.#threads) this.#introduce(thread);
    return this.#listen(handles);
  }

  /** The engine is ready: from here on lost shards are replaced. */
  supervise(): void {
    this.#isRunning = true;
    // One may have ended between its start and now.
    for (const thread of this.#threads) if (thread.isGone) this.#lost(thread, null);
  }

  /** Nothing is started any more. */
  end(): void {
    this.#isRunning = false;
    this.#supervisor.close();
  }

  /** Whether the shard is there, or will be by itself. */
  hasFuture(shard: number): boolean {
    return !this.#supervisor.hasGivenUp(shard);
  }

  /** Number of the shard's thread in this process, while it is ready; else -1. */
  threadId(shard: number): number {
    const thread = this.#threads[shard];
    return thread?.isReady === true ? thread.threadId : -1;
  }

  /**
   * Ends a shard in good order and starts it anew; one that is lost is only started. Resolves once the new thread takes
   * part.
   */
  async restart(shard: number, graceMs: number, stallMs: number): Promise<void> {
    const thread = this.#threads[shard];
    if (thread === undefined) return;
    if (thread.isLeaving || !(thread.isReady || thread.isGone) || (thread.isGone && !this.#isWaitingOrLost(shard))) {
      throw new EngineError('ERR_SHARD_RESTARTING', `shard ${shard} is being restarted`);
    }
    const leaving = (): void => {
      this.#readyList = null;
    };
    if (!thread.isGone) await retireShard(thread, { graceMs, stallMs, leaving, disown: () => this.#disown(thread) });
    this.#checkRunning();
    this.#supervisor.takeOver(shard);
    try {
      await this.#replace(shard);
    } catch (error) {
      // If the engine is ending, that is why.
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

  /** Starts a thread in place of one that is gone. Resolves once it takes part. */
  async #replace(shard: number): Promise<void> {
    const { startTimeoutMs, counters } = this.#options;
    const thread = this.#create(shard);
    this.#threads[shard] = thread;
    try {
      const [handle] = await readyInTime([thread], startTimeoutMs);
      this.#checkRunning();
      // It knows the others before it is given connections.
      this.#introduce(thread);
      await this.#shardAcceptor?.join(thread, handle, this.#threads);
    } catch (error) {
      // Its end is the failure that counts. If the engine is ending it was asked to end anyway.
      if (error instanceof EngineError) thread.blame(error);
      thread.post({ kind: 'abandon' });
      throw error;
    }
    counters[thread.thread]?.add(counter.restarts, 1);
  }

  /** Rings a thread's doorbell. */
  ring(thread: number): void {
    this.#threads[shardOfThread(thread)]?.post(doorbell);
  }

  /** Gives every shard new keys, which it takes as soon as the rotation is counted. */
  rotateKeys(keys: KeyRing): void {
    this.#keys = keys;
    for (const thread of this.#threads) thread.rotateKeys(keys);
  }

  /**
   * Gives every shard another certificate, or leaves all with the one they have. Rejects with `ERR_TLS_INVALID`, or with
   * `ERR_SHARD_STALLED` if a shard has not answered within `timeoutMs`; it takes the certificate once it goes on.
   */
  async reloadTls(tls: TlsMaterial, timeoutMs: number): Promise<void> {
    const former = this.#tls;
    this.#tls = tls;
    const problems = new Map<ShardThread, string | null>();
    const answers = this.#threads.map(async (thread) => problems.set(thread, await thread.reloadTls(tls)));
    const timer = new AbortController();
    const late = sleep(timeoutMs, null, { signal: timer.signal }).catch(() => null);
    await Promise.race([Promise.all(answers), late]);
    timer.abort();
    const problem = [...problems.values()].find((one) => one !== null);
    if (problem !== undefined) {
      this.#tls = former;
      // Those without an answer too: it is the last that counts.
      for (const thread of this.#threads) {
        if (former !== null && (problems.get(thread) ?? null) === null) void thread.reloadTls(former);
      }
      throw new EngineError('ERR_TLS_INVALID', problem, { path: 'tls' });
    }
    if (problems.size < this.#threads.length) {
      throw new EngineError('ERR_SHARD_STALLED', `a shard did not take the certificate within ${timeoutMs} ms`);
    }
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
    const settled = this.#threads.filter((thread) => thread.isReady).map((thread) => thread.settle(at));
    await Promise.race([
      Promise.all(settled),
      sleep(Math.max(0, at - Date.now()), undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
  }

  /** Lets every shard drain. False: one of them has not ended within `timeoutMs`. */
  async drain(graceMs: number, timeoutMs: number): Promise<boolean> {
    for (const thread of this.#threads) {
      thread.post({ kind: 'drain', graceMs, code: closeCode.goingAway, reason: '' });
    }
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

  /** Gives a shard and each of the others a port for each other's doorbells; with it they read each other's rings. */
  #introduce(one: ShardThread): void {
    for (const other of this.#threads) {
      if (other === one || !other.isIntroduced || other.isGone) continue;
      const { port1, port2 } = new MessageChannel();
      one.post({ kind: 'peer', thread: other.thread, port: port1 }, [port1]);
      other.post({ kind: 'peer', thread: one.thread, port: port2 }, [port2]);
    }
    one.isIntroduced = true;
    this.#readyList = null;
  }

  async #listen(handles: readonly unknown[]): Promise<number> {
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
    this.#shardAcceptor = new ShardAcceptor(host, handles);
    return this.#shardAcceptor.listen(first, await probePort(host, port));
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
        this.#onForgotten(message.thread);
        break;
      case 'metrics':
        void this.#metrics(thread, message.request);
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

  async #metrics(thread: ShardThread, request: number): Promise<void> {
    let text: string | null = null;
    try {
      text = await this.#options.metrics();
    } catch (error) {
      this.#options.log('error', { reason: errorText(error) }, 'the metrics could not be written');
    }
    thread.post({ kind: 'metrics', request, text });
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
    void this.#disown(failed).then(() => failed.post({ kind: 'abandon' }));
  }

  /** Resolves once no other shard gives connections to this one. */
  async #disown(thread: ShardThread): Promise<void> {
    const [first] = this.#threads;
    if (first !== thread && first?.isReady === true) await this.#shardAcceptor?.forget(first, thread);
  }

  #onForgotten(thread: number): void {
    const forgotten = this.#threads[shardOfThread(thread)];
    if (forgotten !== undefined) this.#shardAcceptor?.forgotten(forgotten);
  }

  #onGone(gone: ShardThread, error: EngineError | null): void {
    this.#readyList = null;
    this.#closeDescriptors(gone.takeOrphans(this.#adopted(gone)));
    this.#names?.releaseAll((connection) => shardOfConnection(connection) === gone.shard);
    this.#tally?.clear(gone.shard);
    this.#shardAcceptor?.gone(gone);
    // A reader that is gone must not hold the others' rings back. Whoever waited for it looks again on `peer-gone`.
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
