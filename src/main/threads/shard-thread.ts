import { randomBytes } from 'node:crypto';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { deferred } from '../../shared/base/deferred.ts';
import { AskPort, type Replies } from '../../shared/bus/ask-port.ts';
import type { FromShard, ShardFailed, ShardNotice, ShardStart, ToShard } from '../../shared/bus/ipc.ts';
import { type MainQuestions, mainQuestionRules, type ShardQuestions } from '../../shared/bus/questions.ts';
import type { EngineConfig, TransportFacts } from '../../shared/config/config.ts';
import type { KeyRing } from '../../shared/config/key-ring.ts';
import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError, type ErrorCode, errorCode, errorText } from '../../shared/errors/index.ts';
import { type EngineMemory, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { startWorker } from './start-worker.ts';

export interface ShardThreadEvents {
  /** It rang: something is in a ring for main. */
  doorbell(): void;
  notice(thread: ShardThread, notice: ShardNotice): void;
  /** It cannot go on, and waits for `abandon`. */
  failed(thread: ShardThread): void;
  /** The thread is gone. `error` is what it said of itself, or null if it ended as asked. */
  gone(thread: ShardThread, error: EngineError | null): void;
}

export interface ShardThreadOptions {
  readonly shard: number;
  readonly config: EngineConfig;
  readonly memory: EngineMemory;
  readonly keys: KeyRing;
  /** Null: plain TCP. */
  readonly tls: TlsMaterial | null;
  /** The shard's counter of descriptors taken over, now. */
  readonly adopted: number;
  readonly replies: Replies<ShardQuestions>;
  readonly events: ShardThreadEvents;
}

/** Main's side of one shard's thread. */
export class ShardThread {
  readonly shard: number;
  readonly thread: number;
  /** Resolves to the transport's handle. Rejects with the reason why the shard could not start. */
  readonly ready: Promise<unknown>;
  readonly exited: Promise<void>;
  /** Its handlers are loaded and it has not failed. */
  isReady = false;
  /** It knows the other shards and they know it. */
  isIntroduced = false;
  /** It was asked to end so that another thread takes its place. */
  isLeaving = false;
  /** It was asked to end, has not done so in time, and its end is not waited for any more. */
  isOverdue = false;
  isGone = false;
  /** Null: it is not ready yet. */
  transport: TransportFacts | null = null;
  readonly #worker: Worker;
  readonly #keyPort: MessagePort;
  readonly #config: EngineConfig;
  readonly #events: ShardThreadEvents;
  readonly #asks: AskPort<MainQuestions, ShardQuestions>;
  readonly #ready = deferred<unknown>();
  readonly #exited = deferred<void>();
  /** Descriptors handed over that may not be adopted yet, in the order in which they will be. */
  readonly #handed: number[] = [];
  /** The counter of adopted descriptors when `#handed` was last shortened. Former threads of the shard counted there too. */
  #forgotten: number;
  #failure: EngineError | null = null;

  constructor(options: ShardThreadOptions) {
    const { shard, config, memory, keys, tls, replies } = options;
    this.shard = shard;
    this.#config = config;
    this.#events = options.events;
    this.#forgotten = options.adopted;
    this.thread = threadOfShard(shard);
    const { port1, port2 } = new MessageChannel();
    this.#keyPort = port1;
    const incarnation = randomBytes(4).toString('hex');
    const start: ShardStart = { shard, incarnation, config, memory, keys, keyPort: port2, tls };
    this.ready = this.#ready.promise;
    this.exited = this.#exited.promise;
    // A shard may fail before anybody waits for it: that is no unhandled rejection.
    this.ready.catch(() => undefined);
    this.#asks = new AskPort({
      other: `shard ${shard}`,
      lateCode: 'ERR_SHARD_STALLED',
      rules: mainQuestionRules,
      replies,
      post: (message) => this.post(message),
    });
    this.#worker = startWorker(new URL('../../worker/entry.js', import.meta.url), {
      workerData: start,
      transferList: [port2],
      name: `shardwire-shard-${shard}`,
    });
    this.#worker.on('message', (message: FromShard) => this.#onMessage(message));
    this.#worker.on('error', (cause) => this.#onError(cause));
    this.#worker.on('exit', (code) => this.#onExit(code));
  }

  #onMessage(message: FromShard): void {
    if (typeof message === 'number') {
      this.#events.doorbell();
      return;
    }
    switch (message.kind) {
      case 'question':
        this.#asks.onQuestion(message);
        break;
      case 'answer':
        this.#asks.onAnswer(message);
        break;
      case 'ready':
        this.isReady = true;
        this.transport = message.transport;
        this.#ready.resolve(message.app);
        break;
      case 'failed':
        this.#onFailed(message);
        break;
      default:
        this.#events.notice(this, message);
    }
  }

  #onFailed({ code, text, stack }: ShardFailed): void {
    const failure = new EngineError(code as ErrorCode, text);
    if (stack !== undefined) failure.stack = stack;
    this.#failure = failure;
    this.isReady = false;
    this.#events.failed(this);
  }

  #onError(cause: unknown): void {
    this.#failure ??=
      errorCode(cause) === 'ERR_TLS_INVALID'
        ? new EngineError('ERR_TLS_INVALID', errorText(cause), { path: 'tls' })
        : new EngineError('ERR_SHARD_FAILED', `shard ${this.shard} failed: ${String(cause)}`, { cause });
  }

  #onExit(code: number): void {
    const { shard } = this;
    if (code !== 0) {
      this.#failure ??= new EngineError('ERR_SHARD_FAILED', `the thread of shard ${shard} ended with code ${code}`);
    }
    this.isReady = false;
    this.isGone = true;
    this.#keyPort.close();
    const unready =
      this.#failure ?? new EngineError('ERR_SHARD_START_FAILED', `shard ${shard} ended before it was ready`);
    this.#ready.reject(unready);
    this.#asks.end(unready);
    this.#events.gone(this, this.#failure);
    this.#exited.resolve();
  }

  /** The thread's id in this process. */
  get threadId(): number {
    return this.#worker.threadId;
  }

  /** Whether the shard may be given connections. */
  get isPlaceable(): boolean {
    return this.isReady && this.isIntroduced && !this.isLeaving;
  }

  /** Whether its loop turns: it answers within `timeoutMs`, or is gone. */
  async answers(timeoutMs: number): Promise<boolean> {
    try {
      await this.#unlessGone(this.#asks.ask('ping', null, timeoutMs));
      return true;
    } catch {
      return false;
    }
  }

  post(message: ToShard, transfer: readonly (MessagePort | ArrayBuffer)[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Sets the reason for the thread's end. A reason that the thread itself gave takes precedence. */
  blame(error: EngineError): void {
    this.#failure ??= error;
  }

  rotateKeys(keys: KeyRing): void {
    this.#keyPort.postMessage(keys);
    this.post({ kind: 'take-keys' });
  }

  /** Resolves once the shard's spill queue is empty, or it gave up at `deadline` (as `monotonicMs()`), or is gone. */
  async settle(deadline: number): Promise<void> {
    await this.#unlessGone(this.#asks.ask('settle', { deadline }));
  }

  /** Gives accepted sockets to the shard. `adopted` is how many descriptors it has adopted so far. */
  handOver(descriptors: readonly number[], adopted: number): void {
    this.#forgetAdopted(adopted);
    this.#handed.push(...descriptors);
    this.post({ kind: 'adopt', descriptors });
  }

  /** Descriptors that were given to the shard and that it never adopted. The caller must close them. */
  takeOrphans(adopted: number): readonly number[] {
    this.#forgetAdopted(adopted);
    return this.#handed.splice(0);
  }

  #forgetAdopted(adopted: number): void {
    this.#handed.splice(0, adopted - this.#forgotten);
    this.#forgotten = adopted;
  }

  /** Resolves once the shard accepts no more, or is gone. */
  async stopListening(): Promise<void> {
    await this.#unlessGone(this.#asks.ask('stop-listening', null));
  }

  /**
   * Lets the shard accept for all shards (the fallback acceptor). Resolves to the port. Rejects with `ERR_LISTEN_FAILED`,
   * or with why the thread has ended.
   */
  async listen(host: string, port: number, apps: readonly unknown[]): Promise<number> {
    try {
      return await this.#asks.ask('listen', { host, port, apps });
    } catch (error) {
      if (this.isGone) throw error;
      throw new EngineError('ERR_LISTEN_FAILED', `cannot listen on ${this.#config.host}:${this.#config.port}`);
    }
  }

  /** Resolves once the shard hands no more connections to the App behind `app`, or is gone. */
  async forgetApp(app: unknown): Promise<void> {
    await this.#unlessGone(this.#asks.ask('forget-app', { app }));
  }

  /**
   * Gives the shard another certificate. Resolves once it has it or is gone. Rejects with what is wrong with it, or with
   * `ERR_SHARD_STALLED` after `timeoutMs`: the shard takes it once it goes on.
   */
  async reloadTls(tls: TlsMaterial, timeoutMs: number): Promise<void> {
    await this.#unlessGone(this.#asks.ask('reload-tls', tls, timeoutMs));
  }

  /**
   * As `answer`, but the end of the thread also resolves it: what the thread was asked to end or change no longer
   * exists.
   */
  async #unlessGone(answer: Promise<unknown>): Promise<void> {
    try {
      await answer;
    } catch (error) {
      if (!this.isGone) throw error;
    }
  }

  /** Lets the process end although this thread has not. */
  unref(): void {
    this.#worker.unref();
  }
}
