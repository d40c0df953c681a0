import type { Piscina } from 'piscina';
import type { OffloadOutcome } from '../../shared/config/offload.ts';

/** A job between `run` and its outcome. */
export class OffloadWork<J> {
  readonly job: J;
  readonly answerBy: number;
  /** Set when the job is given to a thread. Ends that thread. */
  abort: AbortController | null = null;
  /** The thread that runs it. */
  pool: Piscina | null = null;
  /** The time from which its thread counts as hung. */
  endBy = 0;
  readonly #resolve: (outcome: OffloadOutcome | null) => void;
  #isAnswered = false;

  constructor(job: J, answerBy: number, resolve: (outcome: OffloadOutcome | null) => void) {
    this.job = job;
    this.answerBy = answerBy;
    this.#resolve = resolve;
  }

  /** The earlier of its two deadlines. */
  get dueAt(): number {
    return this.#isAnswered ? this.endBy : this.answerBy;
  }

  answer(outcome: OffloadOutcome | null): void {
    this.#isAnswered = true;
    this.#resolve(outcome);
  }
}
