import type { Piscina } from 'piscina';
import type { OffloadOutcome } from '../../shared/config/offload.ts';

/** A job between `run` and its outcome. */
export class OffloadWork<J> {
  readonly job: J;
  readonly answerBy: number;
  /** Set when it is given to a thread: ends that thread. */
  abort: AbortController | null = null;
  /** Where it runs. */
  pool: Piscina | null = null;
  /** When its thread counts as hung. */
  endBy = 0;
  readonly #resolve: (outcome: OffloadOutcome | null) => void;
  #isAnswered = false;

  constructor(job: J, answerBy: number, resolve: (outcome: OffloadOutcome | null) => void) {
    this.job = job;
    this.answerBy = answerBy;
    this.#resolve = resolve;
  }

  /** The next time at which something is due. */
  get dueAt(): number {
    return this.#isAnswered ? this.endBy : this.answerBy;
  }

  answer(outcome: OffloadOutcome | null): void {
    this.#isAnswered = true;
    this.#resolve(outcome);
  }
}
