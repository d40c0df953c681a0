import type { NodeConnection } from './node-connection.ts';

/** Time that a request has from its first byte to the answer. The limit for WebSockets does not change it. */
const requestSeconds = 10;

/** Cuts sockets on which nothing moves. All are looked at a few times per limit; a look costs two numbers each. */
export class IdleSweep<A> {
  readonly #connections: ReadonlySet<NodeConnection<A>>;
  readonly #openLooks: number;
  readonly #requestLooks: number;
  readonly #lookMs: number;
  #timer: NodeJS.Timeout | null = null;

  /** `idleSeconds` 0: an open WebSocket may be silent for ever. */
  constructor(connections: ReadonlySet<NodeConnection<A>>, idleSeconds: number) {
    const shortest = idleSeconds === 0 ? requestSeconds : Math.min(idleSeconds, requestSeconds);
    this.#connections = connections;
    this.#lookMs = Math.max(500, (shortest * 1_000) / 4);
    this.#openLooks = idleSeconds === 0 ? Infinity : Math.ceil((idleSeconds * 1_000) / this.#lookMs);
    this.#requestLooks = Math.ceil((requestSeconds * 1_000) / this.#lookMs);
  }

  /** Runs while there are connections. */
  start(): void {
    this.#timer ??= setInterval(() => this.#look(), this.#lookMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    for (const connection of this.#connections) {
      // Bytes of a request do not renew its time. Those of a WebSocket do, also while it ends: much may wait to be
      // written.
      if (connection.hasMoved() && connection.socket !== null) connection.idleLooks = 0;
      else connection.idleLooks += 1;
      const most = connection.isOpen ? this.#openLooks : this.#requestLooks;
      if (connection.idleLooks > most) connection.tcp.destroy();
    }
    if (this.#connections.size === 0) this.stop();
  }
}
