import { Fifo } from '../../shared/base/fifo.ts';
import { RetryPause } from '../../shared/base/retry-pause.ts';
import {
  type OffloadAnswer,
  type OffloadConfig,
  type OffloadOutcome,
  type OffloadRequest,
  performJob,
} from '../../shared/config/offload.ts';
import type { StateBoard } from '../../shared/memory/engine-memory.ts';

/** A job that the pool was given. */
export interface Ticket {
  /** Does the job in this thread and reports its outcome at once. Does nothing if the outcome was reported before. */
  finishNow(): void;
}

export interface OffloadPortOptions<J> {
  readonly config: OffloadConfig;
  readonly board: StateBoard;
  readonly counters: {
    /** A job was given to the pool. */
    taken(job: J): void;
    /** A job was not given to the pool, because too many are pending. */
    full(): void;
    /** The pool failed to do a job. */
    failed(): void;
    /** No answer came in time. */
    late(): void;
  };
  /** Posts to main. */
  post(request: OffloadRequest<J>): void;
  /** Does a job in this thread. */
  perform(job: J): Uint8Array;
}

/** Time that main may need beyond the pool's own time limit, before it counts as blocked. */
const marginMs = 500;
/** Jobs that the pool returned undone are done in slices of this length, so that sockets are served in between. */
const sliceMs = 10;

interface Untold<J> {
  readonly job: J;
  readonly done: (outcome: OffloadOutcome) => void;
}

/** A job that was given to the pool, until its outcome is reported and the pool is done with it. */
class PendingJob<J> implements Ticket {
  readonly id: number;
  readonly lateAt: number;
  readonly #perform: (job: J) => Uint8Array;
  readonly #told: () => void;
  /** Null once its outcome is reported, so that nothing holds the source any longer. */
  #untold: Untold<J> | null;

  constructor(id: number, lateAt: number, untold: Untold<J>, perform: (job: J) => Uint8Array, told: () => void) {
    this.id = id;
    this.lateAt = lateAt;
    this.#untold = untold;
    this.#perform = perform;
    this.#told = told;
  }

  get isTold(): boolean {
    return this.#untold === null;
  }

  finishNow(): void {
    const untold = this.#take();
    if (untold !== null) untold.done(performJob(this.#perform, untold.job));
  }

  tell(outcome: OffloadOutcome): void {
    this.#take()?.done(outcome);
  }

  /** Drops the job: its outcome is never reported. */
  drop(): void {
    this.#take();
  }

  /** Cleared before anything runs, because what runs may call this again. */
  #take(): Untold<J> | null {
    const untold = this.#untold;
    if (untold !== null) this.#told();
    this.#untold = null;
    return untold;
  }
}

/**
 * A shard's side of the pool, which is in main. Every accepted job has exactly one outcome, also if a thread of the
 * pool ends or hangs, or main does not answer. In these cases this thread does the job, and gives the pool no more jobs
 * for a while.
 */
export class OffloadPort<J> {
  readonly #options: OffloadPortOptions<J>;
  /** Jobs that the pool has, in the order in which they were given, which is also the order of their `lateAt`. */
  readonly #out = new Map<number, PendingJob<J>>();
  /** Jobs that the pool returned undone. This thread does them. */
  readonly #back = new Fifo<PendingJob<J>>();
  readonly #pause = new RetryPause();
  readonly #perform = (job: J): Uint8Array => this.#options.perform(job);
  readonly #told = (): void => {
    this.#pending -= 1;
  };
  #nextId = 1;
  #pending = 0;
  #closed = false;
  /** Runs while the pool has jobs, and only then. */
  #timer: NodeJS.Timeout | null = null;
  #look: NodeJS.Immediate | null = null;
  #slice: NodeJS.Immediate | null = null;

  constructor(options: OffloadPortOptions<J>) {
    this.#options = options;
  }

  /** Jobs whose outcome is not reported yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Gives a job to the pool; `done` is called later, once. Null: the pool did not take the job, `done` is never called,
   * and the caller does the job. This is so without a pool, with too many jobs pending (counted as full), and during
   * the pause after a failure (the failure was counted).
   */
  submit(job: J, done: (outcome: OffloadOutcome) => void): Ticket | null {
    const { config, board, counters } = this.#options;
    const now = performance.now();
    if (this.#closed || config.threads === 0 || !this.#pause.isOver(now)) return null;
    if (!board.enterOffload(config.maxQueue)) {
      counters.full();
      return null;
    }
    const lateAt = now + config.timeoutMs + marginMs;
    const pendingJob = new PendingJob(this.#nextId, lateAt, { job, done }, this.#perform, this.#told);
    try {
      this.#options.post({ id: pendingJob.id, job });
    } catch {
      // For example, the job cannot be cloned. Done by the caller it may still work.
      board.leaveOffload();
      counters.failed();
      return null;
    }
    this.#nextId += 1;
    this.#pending += 1;
    this.#out.set(pendingJob.id, pendingJob);
    if (this.#timer === null) this.#watch(pendingJob, now);
    counters.taken(job);
    return pendingJob;
  }

  /** Main's answer. An answer that is no longer awaited is ignored. */
  settle(answer: OffloadAnswer): void {
    const pendingJob = this.#out.get(answer.id);
    if (pendingJob === undefined) return;
    this.#out.delete(answer.id);
    if (this.#out.size === 0) this.#unwatch();
    const now = performance.now();
    if (answer.outcome === null) {
      this.#options.counters.failed();
      this.#pause.begin(now);
      this.#takeBack(pendingJob);
      return;
    }
    this.#pause.succeeded(now);
    if (!answer.outcome.ok && answer.outcome.code === 'ERR_INTERNAL') {
      // Not a refusal: the pool's thread may have run out of memory, for example. If the job itself is the cause, this
      // thread will fail too.
      this.#options.counters.failed();
      this.#takeBack(pendingJob);
      return;
    }
    this.#options.board.leaveOffload();
    pendingJob.tell(answer.outcome);
  }

  /** Forgets all jobs: no outcome is reported any more, and no job is taken. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    if (this.#slice !== null) clearImmediate(this.#slice);
    this.#slice = null;
    for (const pendingJob of [...this.#out.values(), ...this.#back.toArray()]) {
      this.#options.board.leaveOffload();
      pendingJob.drop();
    }
    this.#out.clear();
    this.#back.clear();
  }

  /** The job counts as pending until it is done, so that the jobs of this thread have the same bound. */
  #takeBack(pendingJob: PendingJob<J>): void {
    if (pendingJob.isTold) {
      this.#options.board.leaveOffload();
      return;
    }
    this.#back.push(pendingJob);
    this.#slice ??= setImmediate(() => this.#doSlice());
  }

  #doSlice(): void {
    this.#slice = null;
    const until = performance.now() + sliceMs;
    try {
      do {
        const pendingJob = this.#back.shift();
        if (pendingJob === undefined) return;
        this.#options.board.leaveOffload();
        pendingJob.finishNow();
      } while (performance.now() < until);
    } finally {
      // Also when a callback throws: the other jobs must still be done.
      if (this.#back.length > 0) this.#slice ??= setImmediate(() => this.#doSlice());
    }
  }

  #watch(oldest: PendingJob<J>, now: number): void {
    const onDue = (): void => {
      // If this thread was blocked, answers wait to be read, and timers run before them in a turn of the loop.
      this.#look = setImmediate(() => this.#lookForLate());
    };
    this.#timer = setTimeout(onDue, Math.max(1, oldest.lateAt - now)).unref();
  }

  #unwatch(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#look !== null) clearImmediate(this.#look);
    this.#look = null;
  }

  #lookForLate(): void {
    this.#timer = null;
    this.#look = null;
    const now = performance.now();
    for (const [id, pendingJob] of this.#out) {
      if (pendingJob.lateAt > now) {
        this.#watch(pendingJob, now);
        return;
      }
      this.#out.delete(id);
      this.#pause.begin(now);
      if (!pendingJob.isTold) this.#options.counters.late();
      this.#takeBack(pendingJob);
    }
  }
}
