import { Fifo } from '../../shared/base/fifo.ts';
import { Rest } from '../../shared/base/rest.ts';
import {
  type OffloadAnswer,
  type OffloadConfig,
  type OffloadOutcome,
  type OffloadRequest,
  performJob,
} from '../../shared/config/offload.ts';
import type { StateBoard } from '../../shared/memory/engine-memory.ts';

/** A job that is out. */
export interface Ticket {
  /** Does the job in this thread and tells its outcome at once. Harmless when it was told already. */
  finishNow(): void;
}

export interface OffloadPortOptions<J> {
  readonly config: OffloadConfig;
  readonly board: StateBoard;
  readonly counters: {
    /** A job went out. */
    taken(job: J): void;
    /** One did not, because too many are out. */
    full(): void;
    /** The pool could not do one. */
    failed(): void;
    /** No answer came in time. */
    late(): void;
  };
  /** Posts to main. */
  post(request: OffloadRequest<J>): void;
  /** Does a job in this thread. */
  perform(job: J): Uint8Array;
}

/** What main may need on top of the pool's own time limit, before it counts as blocked. */
const marginMs = 500;
/** Jobs that came back undone are done in slices of this length, so that sockets are served in between. */
const sliceMs = 10;

interface Untold<J> {
  readonly job: J;
  readonly done: (outcome: OffloadOutcome) => void;
}

/** One job that was handed out, until its outcome is told and the pool is done with it. */
class Errand<J> implements Ticket {
  readonly id: number;
  readonly lateAt: number;
  readonly #perform: (job: J) => Uint8Array;
  readonly #told: () => void;
  /** Null once its outcome is told, so that nothing holds the source any longer. */
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

  /** Its outcome is never told. */
  drop(): void {
    this.#take();
  }

  /** Taken before anything runs: what runs may come back here. */
  #take(): Untold<J> | null {
    const untold = this.#untold;
    if (untold !== null) this.#told();
    this.#untold = null;
    return untold;
  }
}

/**
 * A shard's way to the pool, which is in main. Every job that is taken has exactly one outcome, also if a thread of the
 * pool dies, hangs, or main does not answer: then this thread does it, and gives the pool no more for a while.
 */
export class OffloadPort<J> {
  readonly #options: OffloadPortOptions<J>;
  /** With the pool, in the order in which they went out, which is also that of their `lateAt`. */
  readonly #out = new Map<number, Errand<J>>();
  /** Came back undone: to be done here. */
  readonly #back = new Fifo<Errand<J>>();
  readonly #rest = new Rest();
  readonly #perform = (job: J): Uint8Array => this.#options.perform(job);
  readonly #told = (): void => {
    this.#pending -= 1;
  };
  #nextId = 1;
  #pending = 0;
  #closed = false;
  /** Runs while something is out, and only then. */
  #timer: NodeJS.Timeout | null = null;
  #look: NodeJS.Immediate | null = null;
  #slice: NodeJS.Immediate | null = null;

  constructor(options: OffloadPortOptions<J>) {
    this.#options = options;
  }

  /** Jobs whose outcome is not told yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Hands a job to the pool; `done` is called later, once. Null: it was not taken and `done` is never called, do it
   * yourself. So it is without a pool, with too many jobs out (counted as full), and while the pool is left alone
   * after a failure (the failure was counted).
   */
  submit(job: J, done: (outcome: OffloadOutcome) => void): Ticket | null {
    const { config, board, counters } = this.#options;
    const now = performance.now();
    if (this.#closed || config.threads === 0 || !this.#rest.isOver(now)) return null;
    if (!board.enterOffload(config.maxQueue)) {
      counters.full();
      return null;
    }
    const lateAt = now + config.timeoutMs + marginMs;
    const errand = new Errand(this.#nextId, lateAt, { job, done }, this.#perform, this.#told);
    try {
      this.#options.post({ id: errand.id, job });
    } catch {
      // Such as a job that cannot be cloned. Done by the caller it may still work.
      board.leaveOffload();
      counters.failed();
      return null;
    }
    this.#nextId += 1;
    this.#pending += 1;
    this.#out.set(errand.id, errand);
    if (this.#timer === null) this.#watch(errand, now);
    counters.taken(job);
    return errand;
  }

  /** Main's answer. One that is not waited for any more is ignored. */
  settle(answer: OffloadAnswer): void {
    const errand = this.#out.get(answer.id);
    if (errand === undefined) return;
    this.#out.delete(answer.id);
    if (this.#out.size === 0) this.#unwatch();
    const now = performance.now();
    if (answer.outcome === null) {
      this.#options.counters.failed();
      this.#rest.begin(now);
      this.#takeBack(errand);
      return;
    }
    this.#rest.succeeded(now);
    if (!answer.outcome.ok && answer.outcome.code === 'ERR_INTERNAL') {
      // No refusal: its thread may have had no memory left, say. If it is for the job, this thread will find so too.
      this.#options.counters.failed();
      this.#takeBack(errand);
      return;
    }
    this.#options.board.leaveOffload();
    errand.tell(answer.outcome);
  }

  /** Forgets everything that is out: no outcome is told any more, no job taken. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    if (this.#slice !== null) clearImmediate(this.#slice);
    this.#slice = null;
    for (const errand of [...this.#out.values(), ...this.#back.toArray()]) {
      this.#options.board.leaveOffload();
      errand.drop();
    }
    this.#out.clear();
    this.#back.clear();
  }

  /** It counts as out until it is done, so that what is to be done here has the same bound. */
  #takeBack(errand: Errand<J>): void {
    if (errand.isTold) {
      this.#options.board.leaveOffload();
      return;
    }
    this.#back.push(errand);
    this.#slice ??= setImmediate(() => this.#doSlice());
  }

  #doSlice(): void {
    this.#slice = null;
    const until = performance.now() + sliceMs;
    try {
      do {
        const errand = this.#back.shift();
        if (errand === undefined) return;
        this.#options.board.leaveOffload();
        errand.finishNow();
      } while (performance.now() < until);
    } finally {
      // Also when a callback throws: the others are still owed theirs.
      if (this.#back.length > 0) this.#slice ??= setImmediate(() => this.#doSlice());
    }
  }

  #watch(oldest: Errand<J>, now: number): void {
    const onDue = (): void => {
      // If this thread itself was blocked, answers wait to be read, and timers come before them in a turn of the loop.
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
    for (const [id, errand] of this.#out) {
      if (errand.lateAt > now) {
        this.#watch(errand, now);
        return;
      }
      this.#out.delete(id);
      this.#rest.begin(now);
      if (!errand.isTold) this.#options.counters.late();
      this.#takeBack(errand);
    }
  }
}
