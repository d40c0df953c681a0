import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { type Deferred, deferred } from '../../shared/base/deferred.ts';
import { Fifo } from '../../shared/base/fifo.ts';
import { RetryPause } from '../../shared/base/retry-pause.ts';
import { within } from '../../shared/base/within.ts';
import type { LogFields, LogLevel } from '../../shared/bus/ipc.ts';
import { isOutcome, type OffloadOutcome } from '../../shared/config/offload.ts';
import { errorText } from '../../shared/errors/index.ts';
import { taskName } from './offload-task.ts';
import { OffloadWork } from './offload-work.ts';

export interface OffloadPoolOptions {
  /** The module of the pool's threads. It exports the result of `offloadTask` as `task`. */
  readonly filename: URL;
  /** The most threads. They start when there is work and end after some time without work. */
  readonly threads: number;
  /** The most jobs that may wait for a thread. */
  readonly maxQueue: number;
  /** Time limit of an answer, and of a thread's work on one job. */
  readonly timeoutMs: number;
  log(level: LogLevel, fields: LogFields, text: string): void;
  /** A thread crashed, hung, or could not be started. */
  failed(): void;
}

export interface OffloadPoolStats {
  /** Threads that exist, including those about to end. */
  readonly threads: number;
  /** Jobs that a thread is busy with. */
  readonly running: number;
  /** Jobs that wait for a thread. */
  readonly queue: number;
}

const idleMs = 30_000;
/** After this many failures in a row, the pool pauses. */
const failuresUntilPause = 3;
/** How long `close` waits for running jobs, and then for threads to end. */
const closeMs = 1_000;

/**
 * Threads for work that would block a shard. `run` always answers; null means that the job was not done.
 *
 * The queue is here and not in piscina, because piscina has no bound and no order for jobs that can be aborted, and
 * without a thread such jobs would wait for somebody else's job. Piscina gets as many jobs as there are threads.
 */
export class OffloadPool<J> {
  readonly #options: OffloadPoolOptions;
  readonly #waiting = new Fifo<OffloadWork<J>>();
  readonly #running = new Set<OffloadWork<J>>();
  /** Threads that have not ended yet, and their ends. */
  readonly #threads = new Map<Worker, Promise<void>>();
  readonly #pause = new RetryPause();
  #pool: Piscina | null = null;
  #failuresInARow = 0;
  #timer: NodeJS.Timeout | null = null;
  #look: NodeJS.Immediate | null = null;
  #loggedSecond = -1;
  #closing: Promise<void> | null = null;
  #allDone: Deferred<void> | null = null;

  /** Starts no thread: the first job does. */
  constructor(options: OffloadPoolOptions) {
    this.#options = options;
  }

  get stats(): OffloadPoolStats {
    return { threads: this.#threads.size, running: this.#running.size, queue: this.#waiting.length };
  }

  /**
   * Never rejects. Null: the job was not done, because a thread crashed or hung, too many jobs wait, or the pool pauses
   * or is closed.
   */
  run(job: J): Promise<OffloadOutcome | null> {
    const { maxQueue, threads, timeoutMs } = this.#options;
    const now = performance.now();
    const isFull = this.#running.size >= threads && this.#waiting.length >= maxQueue;
    if (this.#closing !== null || threads === 0 || isFull || !this.#pause.isOver(now)) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#waiting.push(new OffloadWork(job, now + timeoutMs, resolve));
      this.#pump();
    });
  }

  /** Answers waiting jobs with null, gives running jobs a moment to finish, then ends all threads. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#giveUpWaiting();
    if (this.#running.size > 0) {
      this.#allDone = deferred();
      await within(this.#allDone.promise, closeMs);
    }
    this.#discardPool();
    this.#unwatch();
    // A thread inside a long native call ends after it, whatever one does.
    await within(Promise.all(this.#threads.values()), closeMs);
  }

  #pump(): void {
    while (this.#running.size < this.#options.threads) {
      const work = this.#waiting.shift();
      if (work === undefined) break;
      this.#start(work);
    }
    this.#watch();
  }

  #start(work: OffloadWork<J>): void {
    this.#pool ??= this.#createPool();
    const pool = this.#pool;
    work.pool = pool;
    work.abort = new AbortController();
    work.endBy = performance.now() + this.#options.timeoutMs;
    this.#running.add(work);
    this.#runIn(pool, work).then(
      (result) => this.#onResult(work, result),
      (error: unknown) => this.#onLost(work, work.abort?.signal.aborted ? 'a job took too long' : errorText(error)),
    );
    this.#meetThreads(pool);
  }

  /** Async, so that a thread that the system refuses to start rejects like one that crashes. */
  async #runIn(pool: Piscina, work: OffloadWork<J>): Promise<unknown> {
    return await pool.run(work.job, { signal: work.abort?.signal ?? null });
  }

  #createPool(): Piscina {
    const pool = new Piscina({
      filename: this.#options.filename.href,
      name: taskName,
      minThreads: 0,
      maxThreads: this.#options.threads,
      idleTimeout: idleMs,
      // No faster with it, as measured (both about 110 µs there and back for 64 KB). Without it an idle thread is in its
      // event loop, so that a stray error of one job ends the thread at once and not during another job.
      atomics: 'disabled',
      recordTiming: false,
      // Only this package's code runs in these threads: the program's preloads are not for them.
      execArgv: [],
    });
    // A thread without a job threw. Without a listener the error would be thrown here.
    pool.on('error', (error: unknown) => this.#fault(errorText(error)));
    pool.on('workerCreate', () => this.#meetThreads(pool));
    return pool;
  }

  /** Piscina reports neither new threads before they are ready, nor the end of threads that it gave up. */
  #meetThreads(pool: Piscina): void {
    for (const thread of pool.threads) {
      if (this.#threads.has(thread)) continue;
      let threw = false;
      thread.once('error', () => {
        threw = true;
      });
      const ended = new Promise<void>((resolve) => {
        thread.once('exit', () => {
          this.#threads.delete(thread);
          resolve();
          // Later, when the promise of a job that this thread had is settled.
          setImmediate(() => this.#onThreadEnd(pool, threw));
        });
      });
      this.#threads.set(thread, ended);
    }
  }

  /** A thread that ends before it is ready leaves its job in piscina's queue, where nothing starts it again. */
  #onThreadEnd(pool: Piscina, threw: boolean): void {
    if (pool !== this.#pool) return;
    let given = 0;
    for (const work of this.#running) if (work.pool === pool) given += 1;
    if (given <= pool.threads.length) return;
    this.#discardPool();
    // An error that a thread threw was counted when it was thrown.
    if (!threw) this.#fault('a thread ended before it was ready');
  }

  #onResult(work: OffloadWork<J>, result: unknown): void {
    if (!isOutcome(result)) {
      this.#onLost(work, 'the task answered something else than an outcome');
      return;
    }
    this.#failuresInARow = 0;
    this.#pause.succeeded(performance.now());
    work.answer(result);
    this.#finished(work);
  }

  #onLost(work: OffloadWork<J>, reason: string): void {
    work.answer(null);
    // The failure for which a pool was discarded counts once, not for each job that ran in it.
    if (work.pool === this.#pool) this.#fault(reason);
    this.#finished(work);
  }

  #finished(work: OffloadWork<J>): void {
    this.#running.delete(work);
    this.#pump();
    if (this.#running.size === 0) this.#allDone?.resolve();
  }

  #fault(reason: string): void {
    if (this.#closing !== null) return;
    this.#options.failed();
    const now = performance.now();
    this.#failuresInARow += 1;
    const rests = this.#failuresInARow >= failuresUntilPause && this.#pause.isOver(now);
    if (rests) {
      // Otherwise threads that fail at their start would be started again and again.
      this.#pause.begin(now);
      this.#discardPool();
      this.#giveUpWaiting();
    }
    const second = Math.floor(now / 1000);
    // The counter has the number. A log line at most once a second shows that it happens.
    if (second === this.#loggedSecond && !rests) return;
    this.#loggedSecond = second;
    const fields = { reason, restMs: rests ? this.#pause.lastMs : 0 };
    this.#options.log('warn', fields, 'a thread of the offload pool failed; the shard does its work');
  }

  /** Ends all threads of this pool. Their jobs are answered as not done. The next job starts a new pool. */
  #discardPool(): void {
    const pool = this.#pool;
    if (pool === null) return;
    this.#meetThreads(pool);
    this.#pool = null;
    pool.destroy().catch(() => undefined);
  }

  #giveUpWaiting(): void {
    for (let work = this.#waiting.shift(); work !== undefined; work = this.#waiting.shift()) work.answer(null);
  }

  /** One timer for all jobs, set to the earliest deadline. */
  #watch(): void {
    let dueAt = this.#waiting.first()?.dueAt ?? Number.POSITIVE_INFINITY;
    for (const work of this.#running) dueAt = Math.min(dueAt, work.dueAt);
    if (dueAt === Number.POSITIVE_INFINITY) {
      this.#unwatch();
      return;
    }
    const onDue = (): void => {
      // If main was blocked, results wait to be read, and timers run before them in a turn of the loop.
      this.#look = setImmediate(() => this.#onDue());
    };
    // A timer that fires too early checks and is set again. None fires too late, because later jobs have later
    // deadlines.
    this.#timer ??= setTimeout(onDue, Math.max(1, dueAt - performance.now())).unref();
  }

  #unwatch(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#look !== null) clearImmediate(this.#look);
    this.#look = null;
  }

  #onDue(): void {
    this.#timer = null;
    this.#look = null;
    const now = performance.now();
    for (let work = this.#waiting.first(); work !== undefined && work.dueAt <= now; work = this.#waiting.first()) {
      this.#waiting.shift();
      work.answer(null);
    }
    for (const work of this.#running) {
      // The caller waits no longer. The job's thread may have started late, and gets its full time.
      if (work.answerBy <= now) work.answer(null);
      if (work.endBy <= now) work.abort?.abort();
    }
    this.#watch();
  }
}
