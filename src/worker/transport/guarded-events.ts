import type { TransportEvents } from './transport.ts';

/** The listener of a transport. What it throws goes to its own `error`, and never into the library. */
export class GuardedEvents<A> {
  readonly to: TransportEvents<A>;
  /** The transport was closed: the ends of its sockets are not reported. */
  closed = false;

  constructor(to: TransportEvents<A>) {
    this.to = to;
  }

  guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.to.error(error);
    }
  }
}
