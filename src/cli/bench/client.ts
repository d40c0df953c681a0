import type { Schedule } from './thread-messages.ts';

/** What one thread does in one mode. Calls come in this order; all are there in every mode but `probe`. */
export interface BenchClient {
  /** Opens its share of the connections, by their numbers in the whole run. Resolves when all are open or have failed. */
  open(numbers: readonly number[], stop: AbortSignal): Promise<void>;
  /** Fan-out: resolves when every receiving connection got a message, or the run goes on without. */
  probe?(): Promise<void>;
  /** Begins to send. Stops by itself at the schedule's end, which may come closer meanwhile. */
  start(schedule: Schedule): void;
  /** Whether something that was due before the schedule's end is still to be sent. */
  readonly isBehind: boolean;
  /** Nothing counts from now on. Resolves when all connections are closed. */
  finish(): Promise<void>;
}
