import type { MessagePort } from 'node:worker_threads';
import type { BenchPlan } from './plan.ts';
import type { TallyReport } from './tally.ts';

/** When a run begins, counts and ends, on the clock of `now()`. */
export interface Schedule {
  readonly beginMs: number;
  readonly measureFromMs: number;
  /** Nothing is sent from here on. Moves forward when the run is ended early. */
  untilMs: number;
}

/** What a client thread is started with. */
export interface ClientThreadData {
  readonly plan: BenchPlan;
  readonly index: number;
  readonly progress: SharedArrayBuffer;
  /** See `Completion`; null unless the mode is `fanout`. */
  readonly completion: SharedArrayBuffer | null;
  /** To each other thread, by its index. */
  readonly ports: ReadonlyMap<number, MessagePort>;
}

/** From main, in this order: `probe` in a fan-out only, `stop` at any time or never. */
export type ToClient =
  | { readonly kind: 'open' }
  | { readonly kind: 'probe' }
  | { readonly kind: 'go'; readonly schedule: Schedule }
  | { readonly kind: 'stop'; readonly untilMs: number }
  | { readonly kind: 'finish' };

export type FromClient =
  /** It is loaded, and needs no more files. */
  | { readonly kind: 'ready' }
  /** Every connection was opened or has failed. */
  | { readonly kind: 'opened' }
  /** Every receiving connection got a probe. */
  | { readonly kind: 'reached' }
  /** All that was due before the schedule's end was sent. */
  | { readonly kind: 'sent' }
  | { readonly kind: 'done'; readonly report: TallyReport; readonly utilization: number };

/** A publish has reached all of its audience: told to the publisher's thread. */
export interface Completed {
  readonly publisher: number;
  readonly sequence: number;
}
