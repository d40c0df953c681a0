import type { TransportEvents } from '../transport.ts';

/** Whom a transport tells what happens. What they throw goes to their own `error`, and never into the library. */
export class UwsEvents<A> {
  readonly to: TransportEvents<A>;
  /** The transport was closed: of the sockets that end by it, nothing is told. */
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
