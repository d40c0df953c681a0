import type { MessagePort } from 'node:worker_threads';
import type { DoorbellMemory, RingMemory } from '#dist/shared/ring/index.js';

/** What a consumer thread of the ring bench reads; it comes with a port to the producer. */
export interface RingJob {
  readonly memory: RingMemory;
  readonly bells: DoorbellMemory;
  readonly consumer: number;
  readonly records: number;
  /** Doorbells in both directions. */
  readonly port: MessagePort;
  /** `count` sums the first and last byte of each record, `delay` takes the first 8 bytes as a time stamp. */
  readonly measure: 'count' | 'delay';
}

export type RingJobAnswer =
  | { readonly answer: 'attends' }
  | {
      readonly answer: 'read';
      readonly records: number;
      readonly bytes: number;
      readonly sum: number;
      /** Nanoseconds from stamp to visit, in order. */
      readonly delaysNs: readonly number[];
    };
