import type { BenchClient } from './client.ts';
import { type Books, Fleet } from './fleet.ts';
import type { BenchPlan } from './plan.ts';
import { messageTemplate } from './template.ts';

/** Connections that stay, answer pings and do nothing else. */
export class IdleClient implements BenchClient {
  readonly #fleet: Fleet;
  readonly #books: Books;
  readonly isBehind = false;

  constructor(plan: BenchPlan, books: Books) {
    this.#fleet = new Fleet(plan, messageTemplate(plan).isText, books);
    this.#books = books;
  }

  open(numbers: readonly number[], stop: AbortSignal): Promise<void> {
    const { counts } = this.#books.tally;
    return this.#fleet.open(numbers, stop, () => ({
      message: (_message, bytes) => {
        counts.bytesIn += bytes;
        counts.unexpected += 1;
      },
      ended: () => undefined,
    }));
  }

  start(): void {}

  finish(): Promise<void> {
    return this.#fleet.finish();
  }
}
