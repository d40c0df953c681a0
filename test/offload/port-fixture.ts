import assert from 'node:assert/strict';
import type { OffloadConfig, OffloadOutcome, OffloadRequest } from '#dist/shared/config/offload.js';
import { createEngineMemory, StateBoard } from '#dist/shared/memory/engine-memory.js';
import { OffloadPort } from '#dist/worker/offload/offload-port.js';
import { type Deed, isRight, jobOf, performHere, type TestJob } from './offload-job.ts';

export interface Told {
  readonly job: TestJob;
  readonly outcome: OffloadOutcome;
}

export const ok: OffloadOutcome = { ok: true, bytes: new Uint8Array([1, 2, 3]) };

/** A port whose other end is in the test's hands. */
export class PortBench {
  readonly board: StateBoard = new StateBoard(createEngineMemory(1, 4096));
  readonly counts: Record<'taken' | 'full' | 'failed' | 'late', number> = { taken: 0, full: 0, failed: 0, late: 0 };
  /** What was posted to main. */
  readonly posted: OffloadRequest<TestJob>[] = [];
  /** Outcomes in the order in which they were told. */
  readonly told: Told[] = [];
  readonly port: OffloadPort<TestJob>;

  constructor(
    config: Partial<OffloadConfig> = {},
    perform: (job: TestJob) => Uint8Array = performHere,
    post: (request: OffloadRequest<TestJob>) => void = () => undefined,
  ) {
    this.port = new OffloadPort<TestJob>({
      config: {
        threads: 1,
        maxQueue: 8,
        timeoutMs: 60_000,
        thresholdBytes: { seal: 1, open: 1, deflate: 1, inflate: 1 },
        ...config,
      },
      board: this.board,
      counters: {
        taken: () => this.#count('taken'),
        full: () => this.#count('full'),
        failed: () => this.#count('failed'),
        late: () => this.#count('late'),
      },
      post: (request) => {
        post(request);
        this.posted.push(request);
      },
      perform,
    });
  }

  #count(what: 'taken' | 'full' | 'failed' | 'late'): void {
    this.counts[what] += 1;
  }

  /** Hands in a job that must be taken, and collects its outcome. */
  submit(deed: Deed = 'turn', seed = 1): { readonly job: TestJob; finishNow(): void } {
    const job = jobOf(deed, seed);
    const ticket = this.port.submit(job, (outcome) => this.told.push({ job, outcome }));
    assert.ok(ticket !== null, 'the port must take this job');
    return { job, finishNow: () => ticket.finishNow() };
  }

  isTaken(): boolean {
    return this.port.submit(jobOf('turn'), () => undefined) !== null;
  }

  /** The pool's answer to the job that was posted at this place. */
  answer(place: number, outcome: OffloadOutcome | null): void {
    const request = this.posted[place];
    assert.ok(request !== undefined);
    this.port.settle({ id: request.id, outcome });
  }

  /** Every job has been told its right outcome, in this order. */
  assertDoneHere(jobs: readonly TestJob[]): void {
    assert.deepEqual(
      this.told.map(({ job }) => job),
      jobs,
    );
    for (const { job, outcome } of this.told) assert.ok(isRight(job, outcome), job.deed);
  }

  /** Nothing is out any more, as far as all threads can see. */
  assertSettled(): void {
    assert.deepEqual([this.port.pending, this.board.offloadDepth], [0, 0]);
  }
}
