import { randomBytes } from 'node:crypto';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { FromShard, ShardStart, ToShard } from '../../shared/bus/ipc.ts';
import type { EngineConfig } from '../../shared/config/config.ts';
import type { KeyRing } from '../../shared/config/key-ring.ts';
import type { TlsMaterial } from '../../shared/config/tls.ts';
import { EngineError, type ErrorCode, errorCode, errorText } from '../../shared/errors/index.ts';
import { type EngineMemory, threadOfShard } from '../../shared/memory/engine-memory.ts';
import { startWorker } from './start-worker.ts';

export interface ShardThreadEvents {
  /** A message that is not about starting or listening. */
  message(
    thread: ShardThread,
    message: Exclude<
      FromShard,
      {
        kind: 'ready' | 'listening' | 'listen-failed' | 'settled' | 'stopped-listening' | 'tls-reloaded' | 'pong';
      }
    >,
  ): void;
  /** The thread has ended. `error` is the reason it gave, or null if it ended as asked. */
  gone(thread: ShardThread, error: EngineError | null): void;
}

function later<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
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
  /** It did not end in time, and nothing waits for its end any more. */
  isOverdue = false;
  isGone = false;
  readonly #worker: Worker;
  readonly #keyPort: MessagePort;
  #listening = later<number>();
  readonly #settled = later<void>();
  readonly #stopped = later<void>();
  /** Descriptors that were handed over and may not be adopted yet, in the order of their adoption. */
  readonly #handed: number[] = [];
  /**
   * How many descriptors before those are adopted, by the shard's counter. The counter includes earlier threads of the
   * shard.
   */
  #forgotten: number;
  #failure: EngineError | null = null;
  /** Waits for the answer to a `reload-tls`. */
  readonly #reloads = new Map<number, (problem: string | null) => void>();
  #nextReload = 0;
  #pong: (() => void) | null = null;

  /** `adopted` is the present value of the shard's counter of adopted descriptors. */
  constructor(
    shard: number,
    config: EngineConfig,
    memory: EngineMemory,
    keys: KeyRing,
    tls: TlsMaterial | null,
    adopted: number,
    events: ShardThreadEvents,
  ) {
    this.shard = shard;
    this.#forgotten = adopted;
    this.thread = threadOfShard(shard);
    const { port1, port2 } = new MessageChannel();
    this.#keyPort = port1;
    const incarnation = randomBytes(4).toString('hex');
    const start: ShardStart = { shard, incarnation, config, memory, keys, keyPort: port2, tls };
    const ready = later<unknown>();
    const exited = later<void>();
    this.ready = ready.promise;
    this.exited = exited.promise;
    // A caller awaits it later: a failure before that is no unhandled rejection.
    this.ready.catch(() => undefined);
    this.#listening.promise.catch(() => undefined);
    this.#worker = startWorker(new URL('../../worker/entry.js', import.meta.url), {
      workerData: start,
      transferList: [port2],
      name: `shardwire-shard-${shard}`,
    });
    this.#worker.on('message', (message: FromShard) => {
      if (typeof message === 'number') {
        events.message(this, message);
        return;
      }
      switch (message.kind) {
        case 'ready':
          this.isReady = true;
          ready.resolve(message.app);
          break;
        case 'pong':
          this.#pong?.();
          break;
        case 'settled':
          this.#settled.resolve();
          break;
        case 'stopped-listening':
          this.#stopped.resolve();
          break;
        case 'tls-reloaded':
          this.#endReload(message.id, message.problem);
          break;
        case 'listening':
          this.#listening.resolve(message.port);
          break;
        case 'listen-failed':
          this.#listening.reject(
            new EngineError('ERR_LISTEN_FAILED', `cannot listen on ${config.host}:${config.port}`),
          );
          break;
        case 'failed': {
          const failure = new EngineError(message.code as ErrorCode, message.text);
          if (message.stack !== undefined) failure.stack = message.stack;
          this.#failure = failure;
          this.isReady = false;
          events.message(this, message);
          break;
        }
        default:
          events.message(this, message);
      }
    });
    this.#worker.on('error', (cause) => {
      this.#failure ??=
        errorCode(cause) === 'ERR_TLS_INVALID'
          ? new EngineError('ERR_TLS_INVALID', errorText(cause), { path: 'tls' })
          : new EngineError('ERR_SHARD_FAILED', `shard ${shard} failed: ${String(cause)}`, { cause });
    });
    this.#worker.on('exit', (code) => {
      if (code !== 0) {
        this.#failure ??= new EngineError('ERR_SHARD_FAILED', `the thread of shard ${shard} ended with code ${code}`);
      }
      this.isReady = false;
      this.isGone = true;
      for (const id of [...this.#reloads.keys()]) this.#endReload(id, null);
      this.#keyPort.close();
      const unready =
        this.#failure ?? new EngineError('ERR_SHARD_START_FAILED', `shard ${shard} ended before it was ready`);
      ready.reject(unready);
      this.#listening.reject(unready);
      this.#settled.resolve();
      this.#stopped.resolve();
      events.gone(this, this.#failure);
      exited.resolve();
    });
  }

  /** The thread's id in this process. */
  get threadId(): number {
    return this.#worker.threadId;
  }

  /** Whether the shard may be given connections. */
  get isPlaceable(): boolean {
    return this.isReady && this.isIntroduced && !this.isLeaving;
  }

  /** Whether its loop turns, that is, it answers within `timeoutMs`. */
  async answers(timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
      this.#pong = () => resolve(true);
      this.post({ kind: 'ping' });
    });
    const inTime = await Promise.race([answered, this.exited.then(() => true)]);
    clearTimeout(timer);
    return inTime;
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

  /**
   * Resolves once the shard's spill queue is empty, the shard gave up at `deadline` (as `monotonicMs()`), or its thread
   * ended.
   */
  settle(deadline: number): Promise<void> {
    this.post({ kind: 'settle', deadline });
    return this.#settled.promise;
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

  /** Resolves once the shard accepts no more connections, or its thread ended. */
  stopListening(): Promise<void> {
    this.post({ kind: 'stop-listening' });
    return this.#stopped.promise;
  }

  /** Lets the shard accept for all shards (the fallback acceptor). Resolves to the port. */
  listen(host: string, port: number, apps: readonly unknown[]): Promise<number> {
    this.post({ kind: 'listen', host, port, apps });
    return this.#listening.promise;
  }

  /**
   * Gives the shard another certificate. Resolves to null once it has the certificate or its thread ended, else to the
   * problem.
   */
  reloadTls(tls: TlsMaterial): Promise<string | null> {
    if (this.isGone) return Promise.resolve(null);
    const id = this.#nextReload;
    this.#nextReload += 1;
    return new Promise((resolve) => {
      this.#reloads.set(id, resolve);
      this.post({ kind: 'reload-tls', id, tls });
    });
  }

  #endReload(id: number, problem: string | null): void {
    this.#reloads.get(id)?.(problem);
    this.#reloads.delete(id);
  }

  /** Lets the process end although this thread has not. */
  unref(): void {
    this.#worker.unref();
  }
}
